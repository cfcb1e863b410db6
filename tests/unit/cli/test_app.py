"""Every command explains itself, and the command line starts quickly enough to be asked."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from soutu.cli.app import app
from soutu.domain.access import KeyRing, Scope, keys_of

COMMANDS = [
    *(["serve"], ["build"], ["sync"], ["search"], ["doctor"], ["health"], ["config"]),
    *(["images", name] for name in ("list", "get", "upload", "delete", "download")),
    *(["collections", name] for name in ("list", "get", "create", "delete")),
    *(["models", name] for name in ("list", "add", "load", "unload")),
    ["keys", "new"],
    *(["operations", name] for name in ("list", "get", "wait", "cancel", "failures")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_is_there(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_the_help_lists_the_exit_codes() -> None:
    assert "3 not found" in CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output


def test_a_new_key_is_printed_with_the_line_that_keeps_it() -> None:
    output = CliRunner().invoke(app, ["keys", "new", "web-1", "--scope", "write", "--days", "2"]).output
    printed = dict(line.split(":", 1) for line in output.splitlines())
    (key,) = keys_of(printed["line"].strip(), "the output")
    assert (key.label, key.scope) == ("web-1", Scope.WRITE)
    assert KeyRing([key]).find(printed["key"].strip()) == key
    assert key.expires
    assert timedelta(days=1) < key.expires - datetime.now(UTC) <= timedelta(days=2)


def test_wrong_usage_ends_with_2() -> None:
    assert CliRunner().invoke(app, ["search", "missing.jpg"]).exit_code == 2
    assert CliRunner().invoke(app, ["build", "missing", "-c", "photos"]).exit_code == 2
    assert CliRunner().invoke(app, ["keys", "new", "--scope", "all"]).exit_code == 2
    assert CliRunner().invoke(app, ["sync", "missing", "-c", "photos"]).exit_code == 2


def test_a_sheet_that_cannot_be_written_is_refused_before_the_search(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing" / "found.png")
    answer = CliRunner().invoke(app, ["search", "--id", "cat", "--sheet", missing])
    assert answer.exit_code == 2
    assert "There is no directory" in answer.output
