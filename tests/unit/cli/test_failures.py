"""Sentences and exit codes."""

import pytest

from soutu.cli.failures import CommandError, ExitCode, explained, report
from soutu.client import SoutuCallError
from soutu.domain.errors import Reason, SoutuError
from soutu.settings import SettingsError


@pytest.mark.parametrize(
    ("error", "sentence", "code"),
    [
        (SoutuCallError("UNAVAILABLE", "no server"), "soutu serve", ExitCode.UNREACHABLE),
        (SoutuCallError("UNAVAILABLE", "Loading.", "INDEX_UNREADY"), "Loading.", ExitCode.FAILURE),
        (
            SoutuCallError("NOT_FOUND", "None.", "COLLECTION_NOT_FOUND"),
            "collections list",
            ExitCode.NOT_FOUND,
        ),
        (SoutuCallError("PERMISSION_DENIED", "Outside.", "SOURCE_NOT_ALLOWED"), "Outside.", ExitCode.FAILURE),
        (
            SoutuCallError("FAILED_PRECONDITION", "3 images; set force to.", "COLLECTION_NOT_EMPTY"),
            "say --force",
            ExitCode.FAILURE,
        ),
        (
            SoutuCallError("INVALID_ARGUMENT", "parent: must be", "FIELD_INVALID", {"field": "parent"}),
            "The collection's id must be",
            ExitCode.FAILURE,
        ),
        (FileNotFoundError(2, "No such file", "x\x1b.png"), "No such file: x\x1b.png", ExitCode.FAILURE),
        (OSError("odd"), "odd", ExitCode.FAILURE),
        (SoutuError(Reason.MODEL_INVALID, "Not so."), "Not so.", ExitCode.FAILURE),
        (SettingsError("There is no setting x."), "no setting x", ExitCode.FAILURE),
        (CommandError("Say which.", ExitCode.USAGE), "Say which.", ExitCode.USAGE),
        (ZeroDivisionError("oops"), "ZeroDivisionError: oops", ExitCode.FAILURE),
    ],
)
def test_an_error_becomes_a_sentence_and_a_code(error: Exception, sentence: str, code: ExitCode) -> None:
    said, exit_code = explained(error)
    assert sentence in said
    assert exit_code == code


def test_it_is_said_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(CommandError("Say which.")) == ExitCode.FAILURE
    out, err = capsys.readouterr()
    assert (out, err) == ("", "soutu: Say which.\n")


def test_a_file_name_in_it_cannot_act(capsys: pytest.CaptureFixture[str]) -> None:
    report(FileNotFoundError(2, "No such file", "x\x1b.png"))
    assert capsys.readouterr().err == "soutu: No such file: x\\x1b.png\n"
