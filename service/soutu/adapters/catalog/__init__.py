"""The catalogue on SQL: SQLite now, MySQL and MariaDB with the same tables."""

from soutu.adapters.catalog.sql import SqlCatalog

__all__ = ["SqlCatalog"]
