"""What all sections of the settings have in common, and the types of their keys."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

MIB = 1024 * 1024
GIB = 1024 * MIB


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
OptionalFile = Annotated[AbsolutePath | None, BeforeValidator(lambda given: given or None)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Positive = Annotated[int, Field(gt=0)]
Bytes = Annotated[int, Field(ge=1024)]


class Section(BaseModel):
    """What all sections have in common: they never change, and refuse keys they do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def refused(key: str, value: object, sentence: str) -> PydanticCustomError:
    """The error of a rule about several keys; `key` is the one to blame."""
    return PydanticCustomError("rule", sentence, {"key": key, "value": str(value)})
