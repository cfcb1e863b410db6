"""Label sets from files, and those that ship with Soutu."""

import re
import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from soutu.v1.collection_pb2 import Label, LabelSet

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def shipped_label_sets() -> list[str]:
    """The names of the label sets that ship."""
    return sorted(Path(file.name).stem for file in _shipped().iterdir() if file.name.endswith(".toml"))


def label_set(source: str | Path, name: str = "") -> LabelSet:
    """The label set of a TOML file, or the one of this name that ships. A file has a table for each label,
    which may list `prompts`; the set is named after the file unless a `name` is given. ValueError, naming the
    label, for a file that is none; OSError."""
    text = _text(source)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{source} is not TOML: {error}") from error
    labels = [_label(label, described) for label, described in table.items()]
    return LabelSet(name=name or Path(source).stem, labels=labels)


def _shipped() -> Traversable:
    return resources.files("soutu.client") / "label_sets"


def _text(source: str | Path) -> str:
    if isinstance(source, str) and _NAME.fullmatch(source) and source in shipped_label_sets():
        return (_shipped() / f"{source}.toml").read_text(encoding="utf-8")
    return Path(source).read_text(encoding="utf-8")


def _label(label: str, described: object) -> Label:
    if not isinstance(described, dict) or not described.keys() <= {"prompts"}:
        raise ValueError(f"the label {label!r} must be a table that has nothing but `prompts`")
    prompts = described.get("prompts", [])
    if not isinstance(prompts, list) or not all(isinstance(each, str) for each in prompts):
        raise ValueError(f"the prompts of {label!r} must be a list of texts")
    return Label(label=label, prompts=prompts)
