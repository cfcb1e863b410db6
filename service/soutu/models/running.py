"""An artefact run as it stands, by ONNX Runtime, for its proof."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from soutu.domain.cards import invalid_model

Arrays = Mapping[str, NDArray[Any]]


def opened(path: Path) -> Any:
    """ONNX Runtime's session of an artefact; MODEL_INVALID where it refuses the file."""
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no other common class
        raise invalid_model(f"ONNX Runtime does not run {path.name}: {_sentence(error)}") from error


def answers(session: Any, inputs: Arrays, name: str) -> Arrays:
    """All outputs by name; MODEL_INVALID where the artefact, the file `name`, does not take the inputs."""
    names = [output.name for output in session.get_outputs()]
    try:
        found = session.run(names, dict(inputs))
    except Exception as error:  # as above
        raise invalid_model(f"ONNX Runtime does not run {name}: {_sentence(error)}") from error
    return dict(zip(names, found, strict=True))


def _sentence(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
