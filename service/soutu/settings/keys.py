"""The names of the settings: dotted keys for the file, SOUTU_* variables for the environment."""

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from soutu.settings.schema import Settings

VARIABLE_PREFIX = "SOUTU_"
CONFIG_VARIABLE = f"{VARIABLE_PREFIX}CONFIG"


@dataclass(frozen=True, slots=True)
class Key:
    """One setting: `name` is such as "server.port", `variable` such as "SOUTU_SERVER_PORT". Of `many` values
    in a variable, `separator` stands between two."""

    name: str
    default: object
    description: str
    secret: bool
    many: bool
    separator: str = os.pathsep

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return VARIABLE_PREFIX + self.name.replace(".", "_").upper()


def known_keys() -> Mapping[str, Key]:
    """Every setting by its dotted name, in the order of the schema."""
    return {key.name: key for key in _keys(Settings, prefix="")}


def _keys(section: type[BaseModel], prefix: str) -> Iterator[Key]:
    for name, field in section.model_fields.items():
        if isinstance(field.default, BaseModel):
            yield from _keys(type(field.default), prefix=f"{name}.")
            continue
        extra = field.json_schema_extra
        yield Key(
            name=prefix + name,
            default=field.default,
            description=field.description or "",
            secret=isinstance(extra, dict) and bool(extra.get("secret")),
            many=isinstance(field.default, tuple),
            separator=str(extra.get("separator", os.pathsep)) if isinstance(extra, dict) else os.pathsep,
        )


def nearest(name: str, known: Iterable[str], prefix: str = "") -> str:
    """The question whether the known name most like `name` was meant, or "" if none is like it.

    A `prefix` that all names share does not make them alike.
    """
    rests = [other.removeprefix(prefix) for other in known]
    matches = difflib.get_close_matches(name.removeprefix(prefix), rests, n=1, cutoff=0.5)
    return f" Did you mean {prefix}{matches[0]}?" if matches else ""
