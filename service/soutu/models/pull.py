"""Fetches the weights of a zoo's entry from its hub, and remembers which they were.

Needs the extra `train` (huggingface_hub). What was got is written beside the weights; a later pull into the
same folder must get the same.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from soutu.domain.cards import invalid_model
from soutu.domain.errors import Reason, SoutuError
from soutu.models.zoo.entry import Hub, ZooEntry

_RECORD = "pulled.json"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


@dataclass(frozen=True, slots=True)
class Pulled:
    """Weights in `folder`: of which commit of the hub, and the SHA-256 of each file."""

    folder: Path
    hub: str
    commit: str
    files: Mapping[str, str]

    @property
    def source(self) -> str:
        """Where they are from, for a card: enough to get the same again, and to know that they are."""
        weights = ", ".join(f"{name} sha256 {digest}" for name, digest in sorted(self.files.items()))
        return f"{self.hub}, commit {self.commit}: {weights}"


def check_licence(entry: ZooEntry, accepted: bool) -> None:
    """LICENCE_NOT_ACCEPTED where the licence is restricted and was not `accepted`."""
    if entry.restricted and not accepted:
        sentence = f"{entry.name} is under a restricted licence ({entry.licence}): read it, then say so."
        raise SoutuError(Reason.LICENCE_NOT_ACCEPTED, sentence, model=entry.name)


def pull(entry: ZooEntry, folder: Path, revision: str = "", endpoint: str = "") -> Pulled:
    """The entry's weights in `folder`, from its hub at `revision` (else that fetched before, else its own).

    HUB_UNREACHABLE where the hub does not answer or has no such file; MODEL_INVALID where a file's SHA-256 is
    not the one recorded, or the entry has no hub. `endpoint` is another hub than huggingface.co.
    """
    hub = _hub_of(entry)
    before = _recorded(folder)
    asked = revision or (before.commit if before else hub.revision)
    commit = _commit_of(hub, asked, endpoint)
    wanted = before.files if before and before.commit == commit else hub.files
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: _fetched(hub, name, commit, folder, endpoint) for name in hub.files}
    if wrong := [name for name, digest in files.items() if wanted.get(name) not in ("", None, digest)]:
        raise invalid_model(f"{wrong[0]} of {hub.id} is not the one that was recorded: its sha256 differs.")
    pulled = Pulled(folder, hub.id, commit, files)
    (folder / _RECORD).write_text(
        json.dumps({"hub": pulled.hub, "commit": commit, "files": dict(files)}, indent=1), encoding="utf-8"
    )
    return pulled


def _hub_of(entry: ZooEntry) -> Hub:
    if entry.hub is None:
        raise invalid_model(f"{entry.name} is on no hub: export it from a file with `soutu models export`.")
    if pickled := [name for name in entry.hub.files if name.endswith(_PICKLES)]:
        raise invalid_model(f"{pickled[0]} is a pickle, which runs code when it is read; it is not fetched.")
    return entry.hub


def _recorded(folder: Path) -> Pulled | None:
    try:
        told = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        return Pulled(folder, told["hub"], told["commit"], dict(told["files"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _commit_of(hub: Hub, revision: str, endpoint: str) -> str:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(hub.id, next(iter(hub.files)), revision=revision, endpoint=endpoint or None)
    try:
        commit = get_hf_file_metadata(url).commit_hash
    except Exception as error:  # the library's, its HTTP client's and the system's: they share no class
        raise _unreachable(hub, revision) from error
    if not commit:
        raise _unreachable(hub, revision)
    return str(commit)


def _fetched(hub: Hub, name: str, commit: str, folder: Path, endpoint: str) -> str:
    """Puts one file into `folder`; its SHA-256."""
    from huggingface_hub import hf_hub_download

    try:
        path = hf_hub_download(hub.id, name, revision=commit, local_dir=folder, endpoint=endpoint or None)
    except Exception as error:  # as above
        raise _unreachable(hub, commit, name) from error
    if Path(path) != folder / name:
        shutil.copyfile(path, folder / name)
    with (folder / name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unreachable(hub: Hub, revision: str, name: str = "") -> SoutuError:
    what = f"{name} of {hub.id}" if name else hub.id
    return SoutuError(
        Reason.HUB_UNREACHABLE,
        f"The hub does not give {what} at {revision}: it cannot be reached, asks for a login, or has no such "
        "file. Where another machine reaches it, fetch there and use `soutu models export --weights`.",
    )
