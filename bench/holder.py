"""The least that a search needs in memory: a model and an index, each used once, then held.

    python -m bench.holder ARTEFACT SHARD

Prints a line once both are in use, and ends with its input.
"""

import sys

import numpy as np
import onnxruntime
import qdrant_edge as edge


def hold(artefact: str, folder: str) -> None:
    """Searches for the vector of a grey picture."""
    session = onnxruntime.InferenceSession(artefact, providers=["CPUExecutionProvider"])
    _, height, width, _ = session.get_inputs()[0].shape
    (vector,) = session.run(None, {"pixels": np.full((1, height, width, 3), 127, np.uint8)})[0]
    shard = edge.EdgeShard.load(folder)
    found = shard.query(edge.QueryRequest(limit=10, query=edge.Query.Nearest(vector.tolist())))
    print(f"{len(found)} found", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    hold(sys.argv[1], sys.argv[2])
