"""The libraries for file formats, loaded when first needed and possibly not installed."""

import importlib
from typing import Any

from soutu.domain.errors import Reason, SoutuError


def library(name: str) -> Any:
    """The module; FEATURE_UNIMPLEMENTED, saying what to install, where it is not there."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SoutuError(
            Reason.FEATURE_UNIMPLEMENTED,
            f"This format needs {name.partition('.')[0]} on the server: pip install 'soutu[tables]'.",
            field="format",
        ) from error


def unreadable(what: str) -> SoutuError:
    """The error for an export that is not one of ours, or is no longer whole."""
    return SoutuError(Reason.SOURCE_NOT_FOUND, f"The export {what}.")
