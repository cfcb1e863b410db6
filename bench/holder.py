"""The least that a search needs in memory: a model and an index, each used once; prints its size in MiB.

python -m bench.holder ARTEFACT SHARD
"""

import sys

import numpy as np
import onnxruntime
import psutil
import qdrant_edge as edge

MIB = 2**20


def memory_mib(artefact: str, folder: str) -> float:
    """The proportional set size of this process, once it has searched for the vector of a grey picture."""
    session = onnxruntime.InferenceSession(artefact, providers=["CPUExecutionProvider"])
    _, height, width, _ = session.get_inputs()[0].shape
    (vector,) = session.run(None, {"pixels": np.full((1, height, width, 3), 127, np.uint8)})[0]
    shard = edge.EdgeShard.load(folder)
    found = shard.query(edge.QueryRequest(limit=10, query=edge.Query.Nearest(vector.tolist())))
    assert len(found) == 10
    return float(psutil.Process().memory_full_info().pss) / MIB


if __name__ == "__main__":
    print(memory_mib(sys.argv[1], sys.argv[2]))
