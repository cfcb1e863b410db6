"""The entries that ship: one TOML file each in `entries/`."""

from collections.abc import Sequence
from pathlib import Path

from soutu.domain.errors import Reason, SoutuError
from soutu.models.zoo.entry import ZooEntry, entry_from

_ENTRIES = Path(__file__).with_name("entries")


def zoo_entries() -> Sequence[ZooEntry]:
    """Every entry that ships, by name."""
    return [entry_from(path) for path in sorted(_ENTRIES.glob("*.toml"))]


def zoo_entry(name: str) -> ZooEntry:
    """The entry called `name`, that of a hub's id, or the one in the TOML file of this path.

    MODEL_NOT_FOUND lists what there is; MODEL_INVALID for a file that is not an entry.
    """
    if name.endswith(".toml"):
        return entry_from(Path(name))
    entries = zoo_entries()
    for entry in entries:
        if name in (entry.name, entry.hub.id if entry.hub else ""):
            return entry
    known = ", ".join(entry.name for entry in entries)
    sentence = f"The zoo has no model {name!r}; it has: {known}. A path to a TOML file is taken too."
    raise SoutuError(Reason.MODEL_NOT_FOUND, sentence, model=name)
