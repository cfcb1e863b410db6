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
        """Loads the artefact; what it takes and answers with is named in its configuration."""
        told = json.loads(arguments["model_config"])
        self._inputs = [each["name"] for each in told["input"]]
        self._outputs = [each["name"] for each in told["output"]]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        folder = Path(arguments["model_repository"]) / arguments["model_version"]
        self._session = onnxruntime.InferenceSession(
            folder / "model.onnx", options, providers=["CPUExecutionProvider"]
        )

    def execute(self, requests: list) -> list:  # type: ignore[type-arg]
        """One run for all requests of a batch; each gets its share of the answer."""
        given = {
            name: [triton.get_input_tensor_by_name(each, name).as_numpy() for each in requests]
            for name in self._inputs
        }
        answers = self._session.run(self._outputs, {name: np.concatenate(given[name]) for name in given})
        ends = np.cumsum([len(each) for each in given[self._inputs[0]]])[:-1]
        shares = zip(*(np.split(np.asarray(each), ends) for each in answers), strict=True)
        return [
            triton.InferenceResponse(
                [triton.Tensor(*each) for each in zip(self._outputs, share, strict=True)]
            )
            for share in shares
        ]
