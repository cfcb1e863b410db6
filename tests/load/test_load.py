"""A small load, for real: ghz against a server of its own; and what is said where that cannot be."""

import json
from pathlib import Path

import pytest

from tests.load import __main__ as load
from tests.load import measuring
from tests.load.measuring import HERE, NoGhzError, Target, ghz, table
from tests.load.requests import SCENARIOS, Amounts

SMALL = ["--stored", "20", "--requests", "2", "--at", "1", "8"]


@pytest.fixture
def _ghz() -> None:
    try:
        ghz()
    except NoGhzError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.usefixtures("_ghz")
def test_every_scenario_is_answered_without_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert load.main(SMALL) == 0
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()[2:]]
    cells = [[cell.strip() for cell in row] for row in rows]
    counted = {(scenario, int(at)): int(count) for scenario, at, count, *_ in cells}
    assert counted == {
        (scenario, min(at, count)): count
        for scenario in SCENARIOS
        for at, count in Amounts(20, {1: 2, 8: 8}).of(scenario).items()
    }
    for _, _, _, qps, p50, p95, p99, errors in cells:
        assert float(qps) > 0
        assert 0 < float(p50) <= float(p95) <= float(p99)
        assert errors == "0"


@pytest.mark.slow
@pytest.mark.usefixtures("_ghz")
def test_errors_are_counted_and_told(tmp_path: Path) -> None:
    data = tmp_path / "data.json"
    data.write_text(json.dumps([{"collection": "collections/none"}]))
    line = measuring.measured("search_cached", data, 4, 2, Target("127.0.0.1:1"))
    assert sum(line.errors.values()) == line.requests == 4
    assert line.qps == 0
    assert "4 x rpc error: code = Unavailable" in table([line])


def test_each_scenario_has_a_configuration() -> None:
    assert {path.stem for path in HERE.glob("*.json")} == set(SCENARIOS)


def test_without_ghz_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("scripts.stack.places.STACK", tmp_path)
    monkeypatch.setattr("scripts.stack.places.SHARED_TOOLS", tmp_path)
    assert load.main(SMALL) == 1
    assert "Put ghz (https://ghz.sh, 0.120 or newer) on the PATH" in capsys.readouterr().err
