"""Directories on the server that backups and exports are written to and imports read from."""

import os
from collections.abc import Sequence
from pathlib import Path

from soutu.domain.errors import Reason, SoutuError, invalid_field

# File systems take more, but there must be room for the files below, and beside it while it is written.
_PATH_BYTES, _NAME_BYTES = 1_024, 200


def allowed_place(text: str, roots: Sequence[Path]) -> Path:
    """The resolved path, there or not, if it lies under one of `roots`: FIELD_INVALID, SOURCE_NOT_ALLOWED."""
    if not Path(text).is_absolute() or "\0" in text:
        raise invalid_field("path", "must be an absolute path on the server")
    path = Path(os.path.realpath(text))
    if not any(path.is_relative_to(os.path.realpath(root)) for root in roots):
        raise SoutuError(
            Reason.SOURCE_NOT_ALLOWED,
            "The directory lies outside backup_roots; start the server with SOUTU_BACKUP_ROOTS naming it "
            "or a directory above it.",
        )
    if len(os.fsencode(path)) > _PATH_BYTES or any(
        len(os.fsencode(name)) > _NAME_BYTES for name in path.parts
    ):
        raise invalid_field(
            "path", f"must have at most {_PATH_BYTES} bytes, and at most {_NAME_BYTES} in each name"
        )
    return path


def existing_place(text: str, roots: Sequence[Path]) -> Path:
    """As `allowed_place`, for a directory that must be there: SOURCE_NOT_FOUND."""
    path = allowed_place(text, roots)
    try:
        there = path.is_dir()
    except OSError:  # such as one that may not be looked at
        there = False
    if not there:
        raise SoutuError(Reason.SOURCE_NOT_FOUND, "There is no such directory on the server.")
    return path
