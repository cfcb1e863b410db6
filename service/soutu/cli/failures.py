"""What a failed command says, and its exit code."""

import logging
import sys
from enum import IntEnum
from typing import TYPE_CHECKING

from soutu.cli.visible import visible

if TYPE_CHECKING:
    from soutu.client import SoutuCallError

_log = logging.getLogger(__name__)

_ADVICE = {
    "COLLECTION_NOT_FOUND": "`soutu collections list` shows which there are.",
    "GENERATION_NOT_FOUND": "`soutu generations list COLLECTION` shows which there are.",
    "MODEL_NOT_FOUND": "`soutu models list` shows which there are.",
    **dict.fromkeys(
        ("UNAUTHENTICATED", "KEY_MALFORMED", "KEY_UNKNOWN", "KEY_EXPIRED"),
        "Name the file of your key with --key-file, or in SOUTU_CLIENT_KEY_FILE.",
    ),
    "OPERATION_NOT_FOUND": "`soutu operations list` shows which there are.",
}


_TLS_ADVICE = {
    "untrusted": "--ca names the file of the authority that signed it.",
    "other-name": "The setting client.server_name says which name it has.",
    "plain": "Leave out --ca, --cert and client.tls, or give the server a certificate.",
    "files": "Look at the files of --ca, --cert and --cert-key.",
    "closed": "--ca names the authority of a server that speaks TLS; --cert and --cert-key a certificate that"
    " it may ask for.",
}

# The libraries that a command finds missing, and the extra that brings them.
_EXTRAS = {
    "onnx": "models",
    **dict.fromkeys(
        ("huggingface_hub", "onnx_ir", "onnxscript", "safetensors", "torch", "transformers"), "train"
    ),
}

_FIELDS = {
    "collection_id": "The collection's id",
    "collection": "The collection's id",
    "parent": "The collection's id",
    "name": "The name",
    "generation_id": "The generation's id",
    "image_id": "The image's id",
}


class ExitCode(IntEnum):
    """How a command ended. 2 is Typer's."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
    INTERRUPTED = 130


class CommandError(Exception):
    """A command that cannot go on, with the sentence that says why and what to do."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILURE) -> None:
        super().__init__(message)
        self.code = code


def report(error: Exception) -> int:
    """Says on stderr what went wrong, in one sentence, and returns the exit code. The log has the trace."""
    _log.debug("the command failed", exc_info=error)
    sentence, code = explained(error)
    print(f"soutu: {visible(sentence)}", file=sys.stderr)
    return code


def explained(error: Exception) -> tuple[str, ExitCode]:
    """The sentence and the exit code for an error."""
    from soutu.client import SoutuCallError
    from soutu.domain.errors import SoutuError
    from soutu.settings import SettingsError

    match error:
        case CommandError():
            return str(error), error.code
        case ModuleNotFoundError(name=str(missing)) if extra := _EXTRAS.get(missing.partition(".")[0]):
            return f"This needs the extra `{extra}`: pip install 'soutu[{extra}]'.", ExitCode.FAILURE
        case SoutuCallError():
            return _of_call(error)
        case SoutuError():
            return error.message, ExitCode.FAILURE
        case OSError(strerror=str(reason), filename=name) if name:
            return f"{reason}: {name}", ExitCode.FAILURE
        case SettingsError() | ValueError() | OSError():
            return str(error), ExitCode.FAILURE
    return f"{type(error).__name__}: {error} (unexpected; --verbose shows where)", ExitCode.FAILURE


def _of_call(error: "SoutuCallError") -> tuple[str, ExitCode]:
    if error.unreachable and (advice := _TLS_ADVICE.get(error.metadata.get("tls", ""))):
        return f"{error.message}. {advice}", ExitCode.UNREACHABLE
    if error.unreachable:
        return f"{error.message}. Is it running? `soutu serve` starts it.", ExitCode.UNREACHABLE
    advice = _ADVICE.get(error.reason, "")
    code = ExitCode.NOT_FOUND if error.status == "NOT_FOUND" else ExitCode.FAILURE
    return f"{_in_our_words(error)} {advice}".strip(), code


def _in_our_words(error: "SoutuCallError") -> str:
    """The message, with what the command line calls otherwise than the contract in its words."""
    if error.reason == "COLLECTION_NOT_EMPTY":
        return error.message.replace("set force", "say --force")
    field = error.metadata.get("field", "")
    return error.message.replace(f"{field}: ", f"{_FIELDS[field]} ", 1) if field in _FIELDS else error.message
