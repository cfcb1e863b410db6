"""Alembic, run from inside the package on a connection that is already in a transaction."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from soutu.adapters.catalog.migrations import NEWEST


def upgrade(connection: Connection, version: str = NEWEST) -> None:
    """Brings the database from whatever version it has to the newest, or to that of an older Soutu."""
    configuration = _configuration()
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, version)


def is_known(version: str) -> bool:
    """Whether there is a migration with this number."""
    scripts = ScriptDirectory.from_config(_configuration())
    return any(script.revision == version for script in scripts.walk_revisions())


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    configuration.set_main_option("path_separator", "os")
    return configuration
