"""A plan run on the GPU beside its ONNX in ONNX Runtime. Needs the package cuda-python."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from scripts.engines.network import UnfitError
from scripts.engines.work import Work

Arrays = dict[str, NDArray[Any]]


def least_cosine(library: Any, plan: bytes, work: Work) -> float:
    """The least cosine between the plan's answers and ONNX Runtime's, over all outputs and rows, for seeded
    inputs of the usual shapes; UnfitError where the plan cannot be run."""
    given = trial_inputs(work)
    session = onnxruntime.InferenceSession(work.onnx, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    expected = dict(zip(names, session.run(names, given), strict=True))
    answers = run(library, plan, given)
    return min(float(cosines(answers[name], expected[name]).min()) for name in comparable(work, names))


def comparable(work: Work, outputs: Sequence[str]) -> Sequence[str]:
    """Those of the outputs that are compared: of local features and matches the scores alone, as rounding
    may change which of two keypoints that are nearly alike comes first."""
    return ["scores"] if work.card and "scores" in outputs else outputs


def trial_inputs(work: Work) -> Arrays:
    """Noise by input: uint8 for a model's pixels, else float32 in 0 to 1."""
    random = np.random.default_rng(0)
    shapes = {name: usual for name, (_, usual, _) in work.shapes.items()}
    return {
        name: random.integers(0, 256, shape, np.uint8)
        if work.card and name == "pixels"
        else random.random(shape, np.float32)
        for name, shape in shapes.items()
    }


def cosines(some: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """Row by row, float64 (n)."""
    left, right = (each.reshape(len(each), -1).astype(np.float64) for each in (some, others))
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    found: NDArray[np.float64] = (left * right).sum(axis=1) / np.maximum(lengths, 1e-12)
    return found


def run(library: Any, plan: bytes, given: Arrays) -> Arrays:
    """The answers of a plan by output; UnfitError where it does not load or fails."""
    from cuda.bindings import runtime as cuda  # type: ignore[import-not-found]  # on machines with a GPU only

    engine = library.Runtime(library.Logger(library.Logger.ERROR)).deserialize_cuda_engine(plan)
    if engine is None:
        raise UnfitError("the plan does not load on this GPU")
    context = engine.create_execution_context()
    for name, values in given.items():
        context.set_input_shape(name, values.shape)
    arrays = given | {name: _empty(library, engine, context, name) for name in _outputs(library, engine)}
    places = {name: _succeeded(cuda.cudaMalloc(values.nbytes)) for name, values in arrays.items()}
    try:
        for name, values in given.items():
            held = np.ascontiguousarray(values)
            _succeeded(cuda.cudaMemcpy(places[name], held.ctypes.data, held.nbytes, cuda.cudaMemcpyKind(1)))
        for name, address in places.items():
            context.set_tensor_address(name, address)
        if not context.execute_async_v3(0):
            raise UnfitError("the plan fails on this GPU")
        _succeeded(cuda.cudaDeviceSynchronize())
        answers = {name: values for name, values in arrays.items() if name not in given}
        for name, values in answers.items():
            _succeeded(
                cuda.cudaMemcpy(values.ctypes.data, places[name], values.nbytes, cuda.cudaMemcpyKind(2))
            )
        return answers
    finally:
        for address in places.values():
            cuda.cudaFree(address)


def _outputs(library: Any, engine: Any) -> list[str]:
    names = [engine.get_tensor_name(place) for place in range(engine.num_io_tensors)]
    return [name for name in names if engine.get_tensor_mode(name) == library.TensorIOMode.OUTPUT]


def _empty(library: Any, engine: Any, context: Any, name: str) -> NDArray[Any]:
    return np.empty(tuple(context.get_tensor_shape(name)), library.nptype(engine.get_tensor_dtype(name)))


def _succeeded(answer: tuple[Any, ...]) -> Any:
    """The value behind CUDA's status; UnfitError where that is not success."""
    status, *values = answer
    if int(status):
        raise UnfitError(f"CUDA fails with {status.name}")
    return values[0] if values else None
