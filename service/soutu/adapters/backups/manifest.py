"""The manifest of a backup as JSON."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from soutu.domain.backup import Manifest, Snapshot
from soutu.domain.errors import Reason, SoutuError

MANIFEST = "manifest.json"
_FORMAT = 1


def manifest_text(manifest: Manifest) -> str:
    """The manifest as `read_manifest` reads it."""
    table = asdict(manifest)
    table["snapshot"]["moment"] = manifest.snapshot.moment.isoformat()
    return json.dumps({"format": _FORMAT, **table}, indent=2) + "\n"


def read_manifest(directory: Path) -> Manifest:
    """The manifest of the backup in the directory; SOURCE_NOT_FOUND if there is none that we can read."""
    try:
        table = json.loads((directory / MANIFEST).read_text("utf-8"))
        if table.pop("format") != _FORMAT:
            raise SoutuError(
                Reason.SOURCE_NOT_FOUND, "A newer Soutu wrote this backup; restore it with that."
            )
        snapshot = table.pop("snapshot")
        moment = datetime.fromisoformat(snapshot.pop("moment"))
        return Manifest(**{**table, "lost": tuple(table["lost"])}, snapshot=Snapshot(moment, **snapshot))
    except FileNotFoundError as error:
        raise SoutuError(
            Reason.SOURCE_NOT_FOUND, "The directory holds no backup, or one that was never finished."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SoutuError(Reason.SOURCE_NOT_FOUND, "The backup's manifest cannot be read.") from error
