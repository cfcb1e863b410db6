"""Everything that is SQLite's own: opening, pragmas, and what its errors mean."""

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from soutu.adapters.catalog.engine import Database, Ways
from soutu.adapters.catalog.memory import RowMemory
from soutu.adapters.catalog.reading import ThreadReads

_READERS = 4
_BUSY_TIMEOUT_S = 5.0

# One writer and many readers see no locks of each other in WAL; FULL makes a commit durable when it returns.
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -8000",  # kibibytes, for each of the five connections
    "PRAGMA temp_store = MEMORY",
    "PRAGMA secure_delete = ON",  # what is deleted leaves no bytes in the file: a purge relies on it
)

_SENTENCES = {
    "SQLITE_BUSY": "The catalogue is locked by another program; close it and retry.",
    "SQLITE_LOCKED": "The catalogue is locked by another program; close it and retry.",
    "SQLITE_FULL": "The disk of the catalogue is full; make room and retry.",
    "SQLITE_READONLY": "The catalogue is read-only; make its directory writable and retry.",
    "SQLITE_CANTOPEN": "The catalogue's file cannot be opened; check its directory and permissions.",
    "SQLITE_IOERR": "The disk of the catalogue fails to read or write; check the disk and its free space.",
    "SQLITE_CORRUPT": "The catalogue's file is damaged; restore it from a backup.",
    "SQLITE_NOTADB": "The catalogue's file is not a catalogue; restore it from a backup.",
}


def sqlite_database(url: URL, remembered: int) -> Database:
    """A database on the file that `url` names, of which so many images' rows may be remembered; connections
    are opened when first used."""
    reads = ThreadReads(_readers(url), _READERS)
    return Database(reads, _writer(url), Ways(explain, _undone), RowMemory(remembered), shared=False)


def explain(error: BaseException | None) -> str:
    """A sentence for an exception of sqlite3."""
    name = getattr(error, "sqlite_errorname", "")
    primary = "_".join(name.split("_")[:2])
    return _SENTENCES.get(primary, "The catalogue refused the statement; the server's log has the details.")


def _undone(error: BaseException | None) -> bool:
    return False  # SQLite itself waits for locks, and writes take turns


def _readers(url: URL) -> Engine:
    """Each SELECT stands alone, so no BEGIN and no ROLLBACK is sent around it."""
    engine = create_engine(
        url.set(drivername="sqlite"),
        pool_size=_READERS,
        max_overflow=0,
        pool_use_lifo=True,  # the connection used last has the warmest cache
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        connect_args={"timeout": _BUSY_TIMEOUT_S},
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _writer(url: URL) -> AsyncEngine:
    """One connection whose transactions take the write lock at their start, never half-way."""
    engine = create_async_engine(url, pool_size=1, max_overflow=0, connect_args={"timeout": _BUSY_TIMEOUT_S})
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _prepare(connection: DBAPIConnection, record: object) -> None:
    connection.isolation_level = None  # sqlite3 begins no transactions of its own accord
    cursor = connection.cursor()
    try:
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
    finally:
        cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
