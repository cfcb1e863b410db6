import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from soutu.observe import logs


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


def lines(output: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_a_json_line_has_time_level_name_event_and_values(output: io.StringIO) -> None:
    logs.configure("info", "json", output)
    logs.logger("soutu.ingest").info("image.stored", image="猫", size_bytes=3)
    (line,) = lines(output)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "image.stored",
        "image": "猫",
        "level": "info",
        "logger": "soutu.ingest",
        "size_bytes": 3,
    }
    assert "猫" in output.getvalue()


def test_a_text_line_is_for_people(output: io.StringIO) -> None:
    logs.configure("info", "text", output)
    logs.logger("soutu").warning("disk is nearly full", free_bytes=7)
    assert "disk is nearly full" in output.getvalue()
    assert "free_bytes=7" in output.getvalue()
    assert "\x1b" not in output.getvalue()


def test_lesser_lines_are_left_out(output: io.StringIO) -> None:
    logs.configure("warning", "json", output)
    logs.logger("soutu").info("unheard")
    logging.getLogger("library").info("unheard")
    logs.logger("soutu").error("heard")
    assert [line["event"] for line in lines(output)] == ["heard"]


async def test_the_request_id_is_on_every_line_of_its_task_and_of_no_other(output: io.StringIO) -> None:
    logs.configure("info", "json", output)

    async def serve(identity: str) -> None:
        with logs.request_scope(identity):
            await asyncio.sleep(0)
            assert logs.request_id() == identity
            logs.logger("soutu").info("served", expected=identity)

    await asyncio.gather(serve("a"), serve("b"))
    logs.logger("soutu").info("outside")
    assert [(line.get("request_id"), line.get("expected")) for line in lines(output)] == [
        ("a", "a"),
        ("b", "b"),
        (None, None),
    ]
    assert logs.request_id() == ""


def test_libraries_log_in_the_same_form(output: io.StringIO) -> None:
    logs.configure("info", "json", output)
    with logs.request_scope("r1"):
        logging.getLogger("grpc._server").warning("it %s", "broke")
    logging.getLogger("sqlalchemy.engine").info("SELECT 1")
    (line,) = lines(output)
    assert (line["event"], line["logger"], line["request_id"]) == ("it broke", "grpc._server", "r1")


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_traceback_shows_the_place_but_no_local_values(output: io.StringIO, style: logs.Format) -> None:
    logs.configure("info", style, output)
    private = "-".join(["what", "a", "caller", "sent"])
    try:
        raise RuntimeError(f"{len(private)} bytes")
    except RuntimeError:
        logs.logger("soutu").exception("failed")
    assert "18 bytes" in output.getvalue()
    assert "test_logs.py" in output.getvalue()
    assert private not in output.getvalue()
