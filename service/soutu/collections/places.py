"""Directories on the server that backups and exports are written to and imports read from."""

import os
from collections.abc import Sequence
from pathlib import Path

from soutu.domain.errors import Reason, SoutuError, invalid_field


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
    return path


def existing_place(text: str, roots: Sequence[Path]) -> Path:
    """As `allowed_place`, for a directory that must be there: SOURCE_NOT_FOUND."""
    path = allowed_place(text, roots)
    if not path.is_dir():
        raise SoutuError(Reason.SOURCE_NOT_FOUND, "There is no such directory on the server.")
    return path
