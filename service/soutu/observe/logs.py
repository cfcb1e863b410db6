"""Structured logs, as text for people or JSON for machines; our own lines and those of libraries alike.

The id of the request being served is part of every line that is logged on its behalf.
"""

import logging
import sys
from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.contextvars import bound_contextvars, get_contextvars, merge_contextvars
from structlog.typing import FilteringBoundLogger

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]
_Processor = Callable[[Any, str, MutableMapping[str, Any]], Any]

# Libraries that report each of their steps at level info.
_TALKATIVE = ("aiosqlite", "alembic", "asyncio", "sqlalchemy")


def logger(name: str) -> FilteringBoundLogger:
    """A logger whose lines carry `name`; safe to make at import, before `configure`."""
    return cast(FilteringBoundLogger, structlog.get_logger(name))


def request_scope(request_id: str, caller: str = "") -> AbstractContextManager[None]:
    """Within it, in this task and those it starts, every line carries the request id, and the label of the
    caller's key where there is one."""
    bound = {"request_id": request_id, **({"caller": caller} if caller else {})}
    return cast("AbstractContextManager[None]", bound_contextvars(**bound))


def request_id() -> str:
    """The id of the request being served, or "" outside of any."""
    return str(get_contextvars().get("request_id", ""))


def configure(level: Level, format: Format, stream: TextIO | None = None) -> None:  # noqa: A002
    """Sends lines of at least `level` to `stream` (standard error). Called once, by the process's entry."""
    output = stream or sys.stderr
    renderers = _json() if format == "json" else _text(colours=output.isatty())
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_described(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    _send_libraries_too(renderers, number, output)


def _described() -> list[_Processor]:
    return [
        merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


# Tracebacks are plain: richer ones hold local variables, and with them what callers sent.


def _json() -> list[_Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]


def _text(colours: bool) -> list[_Processor]:
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain)]


def _send_libraries_too(renderers: list[_Processor], level: int, output: TextIO) -> None:
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_described(),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
