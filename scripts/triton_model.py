"""The model of Triton's Python backend: ONNX Runtime on the artefact beside this file.

For Tritons without the ONNX Runtime or TensorRT backend, such as that of the nvidia-pytriton wheel. Triton
copies nothing else here, so this file stands alone.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton  # type: ignore[import-not-found]  # it is there in Triton only


class TritonPythonModel:
    """One instance, on one thread: Triton runs as many side by side as the instance group says."""

    def initialize(self, arguments: dict[str, str]) -> None:
        """Loads the artefact; what it takes, pixels or tokens, is named in its configuration."""
        (given,) = json.loads(arguments["model_config"])["input"]
        self._input = given["name"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        folder = Path(arguments["model_repository"]) / arguments["model_version"]
        self._session = onnxruntime.InferenceSession(
            folder / "model.onnx", options, providers=["CPUExecutionProvider"]
        )

    def execute(self, requests: list) -> list:  # type: ignore[type-arg]
        """One run for all requests of a batch; each gets its share of the answer."""
        given = [triton.get_input_tensor_by_name(each, self._input).as_numpy() for each in requests]
        vectors = self._session.run(["embedding"], {self._input: np.concatenate(given)})[0]
        ends = np.cumsum([len(each) for each in given])[:-1]
        return [
            triton.InferenceResponse([triton.Tensor("embedding", part)])
            for part in np.split(np.asarray(vectors), ends)
        ]
