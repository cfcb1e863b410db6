"""Everything that is MySQL's and MariaDB's own: opening, and what their errors mean.

Transactions are READ COMMITTED: each statement sees what is committed when it begins, so what is read once
a row is locked is as new as the lock; and no gaps between rows are locked, which would have strangers wait.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from soutu.adapters.catalog.engine import Database, Ways
from soutu.adapters.catalog.memory import RowMemory
from soutu.adapters.catalog.reading import ServerReads
from soutu.domain.errors import Reason, SoutuError

if TYPE_CHECKING:
    from soutu.adapters.catalog.quick import QuickReads

_LOCK_WAIT_S = 5
_IDLE_S = 4  # less than waiters wait, so that they go on
_CONNECT: dict[str, Any] = {"charset": "utf8mb4", "connect_timeout": 5}
_MIGRATION_WAIT_S = 600
_OLDEST = {"MySQL": (8, 0, 19), "MariaDB": (10, 6)}  # the first with all that we say to them
_UNDONE = frozenset({1205, 1213})  # waited too long for a lock, deadlock
_UNREACHABLE = frozenset({2002, 2003, 2005})
_LOST = frozenset({2006, 2013, 2014, 2055, 1053, 1077, 1152, 1184, 1927})
_REFUSED = frozenset({1044, 1045, 1049, 1142, 1698})
_FULL = frozenset({1021, 1041, 1114})
_READ_ONLY = frozenset({1290, 1836, 4047})
_SESSION = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00',"
    f" innodb_lock_wait_timeout = {_LOCK_WAIT_S}"
)
# A process that is stopped within a transaction keeps its locks: the server is to end it soon. MySQL knows
# only connections that rest, which may be those of the pool, too; they are replaced when they are needed.
_WRITER_SESSION = (
    f"{_SESSION} /*M!100300 , idle_transaction_timeout = {_IDLE_S} */ /*!80000 , wait_timeout = {_IDLE_S} */"
)


@dataclass(frozen=True, slots=True)
class Pool:
    """How connections to a server are kept: `size` that read and as many that write, each for `recycle_s`;
    a read or a transaction takes `wait_s` at the most."""

    size: int = 8
    recycle_s: float = 1_800.0
    wait_s: float = 30.0


def mysql_database(url: URL, pool: Pool, remembered: int) -> Database:
    """A database on the server that `url` names, which other processes may write to,
    of which so many images' rows may be remembered. Connections are opened when first used."""
    writer = _writer(url, pool)
    reads = ServerReads(_readers(url, pool), pool.size, pool.wait_s, _quick(url, pool, writer.dialect))
    ways = Ways(explain, undone, pool.size, pool.wait_s)
    return Database(reads, writer, ways, RowMemory(remembered), shared=True)


def undone(error: BaseException | None) -> bool:
    """Whether the server has undone the transaction, or has done nothing of the statement that waited for a
    lock, so that the whole may be run again."""
    return _number(error) in _UNDONE


def explain(error: BaseException | None) -> str:
    """A sentence for an exception of PyMySQL."""
    number = _number(error)
    if number in _UNREACHABLE:
        return "The catalogue's database cannot be reached; check catalog.url and that the server runs."
    if number in _LOST:
        return "The connection to the catalogue's database was lost; retry."
    if number in _REFUSED:
        return "The catalogue's database refuses our user or has no such database; check catalog.url."
    if number in _UNDONE:
        return "Others hold what this change needs for too long; retry in a moment."
    if number in _FULL:
        return "The catalogue's database server has no room left; make some and retry."
    if number in _READ_ONLY:
        return "The catalogue's database is read-only; name the primary in catalog.url."
    return "The catalogue's database refused the statement; the server's log has the details."


@contextmanager
def migrating_alone(connection: Connection) -> Iterator[None]:
    """Lets one process at a time change the schema, and only on a server that is new enough."""
    _refuse_old(connection)
    name = {"name": f"soutu schema {connection.engine.url.database}"[:64]}
    waited = connection.execute(text("SELECT GET_LOCK(:name, :s)"), {**name, "s": _MIGRATION_WAIT_S}).scalar()
    if waited != 1:
        raise SoutuError(Reason.CATALOG_UNAVAILABLE, "Another process is migrating the catalogue; retry.")
    try:
        yield
    finally:
        connection.execute(text("SELECT RELEASE_LOCK(:name)"), name)


def no_pad_collation(dialect: Dialect) -> str:
    """The collation that compares texts code point by code point, blanks at their end included."""
    return "utf8mb4_nopad_bin" if _is_mariadb(dialect) else "utf8mb4_0900_bin"


def _readers(url: URL, pool: Pool) -> Engine:
    """Each SELECT stands alone, so nothing is sent around it."""
    patience_s = max(round(pool.wait_s), 1)
    with _understood():
        return create_engine(
            url.set(drivername="mysql+pymysql"),
            **_kept(pool),
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            connect_args={
                **_CONNECT,
                "init_command": _SESSION,
                "read_timeout": patience_s,
                "write_timeout": patience_s,
            },
        )


def _writer(url: URL, pool: Pool) -> AsyncEngine:
    from soutu.adapters.catalog.mysql_connection import (
        MendedConnection,  # aiomysql is loaded where it is used
    )

    arguments = {
        **_CONNECT,
        "async_creator_fn": MendedConnection.connect,
        "init_command": _WRITER_SESSION,
    }
    with _understood():
        return create_async_engine(
            url.set(drivername="mysql+aiomysql"),
            **_kept(pool),
            isolation_level="READ COMMITTED",
            connect_args=arguments,
        )


def _quick(url: URL, pool: Pool, dialect: Dialect) -> "QuickReads":
    from soutu.adapters.catalog.mysql_connection import MendedConnection
    from soutu.adapters.catalog.quick import QuickReads

    _, options = dialect.create_connect_args(url)
    connect = partial(MendedConnection.connect, **options, **_CONNECT, init_command=_SESSION, autocommit=True)
    return QuickReads(dialect, connect, size=pool.size, recycle_s=pool.recycle_s, wait_s=pool.wait_s)


def _kept(pool: Pool) -> dict[str, Any]:
    """How an engine keeps its connections. The one used last is used next, so what is not needed ages."""
    return {
        "pool_size": pool.size,
        "max_overflow": 0,
        "pool_timeout": pool.wait_s,
        "pool_recycle": int(pool.recycle_s),
        "pool_use_lifo": True,
    }


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (ArgumentError, NoSuchModuleError) as error:
        raise SoutuError(Reason.CATALOG_UNAVAILABLE, "catalog.url is not understood.") from error


def _refuse_old(connection: Connection) -> None:
    kind = "MariaDB" if _is_mariadb(connection.dialect) else "MySQL"
    version = connection.dialect.server_version_info or ()
    if version < _OLDEST[kind]:
        said, needed = (".".join(map(str, each)) for each in (version, _OLDEST[kind]))
        message = f"The catalogue's database is {kind} {said}; {needed} or newer is needed."
        raise SoutuError(Reason.CATALOG_UNAVAILABLE, message)


def _is_mariadb(dialect: Dialect) -> bool:
    return bool(getattr(dialect, "is_mariadb", False))


def _number(error: BaseException | None) -> int:
    number = error.args[0] if error is not None and error.args else 0
    return number if isinstance(number, int) else 0
