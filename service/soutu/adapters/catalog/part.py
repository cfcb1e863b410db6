"""What every part of the catalogue is made with."""

from soutu.adapters.catalog.engine import Database
from soutu.ports import Clock


class CatalogPart:
    """One role of the catalogue, on the database that all of them share."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
