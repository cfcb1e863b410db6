"""aiomysql's connection, mended where it does not go with its PyMySQL."""

import ssl
from collections.abc import Mapping
from typing import Any, Self

from aiomysql.connection import Connection


class MendedConnection(Connection):  # type: ignore[misc]  # the library has no types
    """A connection that can send bytes: aiomysql 0.3.2 calls a function for that which PyMySQL has dropped
    (aio-libs/aiomysql#1080)."""

    @classmethod
    async def connect(cls, *arguments: Any, **options: Any) -> Self:
        """A connection that is open; takes what aiomysql.connect takes, and TLS as URLs say it."""
        if isinstance(tls := options.get("ssl"), Mapping):
            options["ssl"] = _tls(tls)
        connection = cls(*arguments, **options)
        await connection._connect()
        return connection

    was_lost = False

    def give_up(self) -> None:
        """Closes it, as what comes over it next may belong to something else; `was_lost` says whether the
        server had closed it before."""
        self.was_lost = self._reader is None or self._reader.at_eof()
        self.close()

    def escape(self, obj: object) -> Any:
        """The value as SQL has it."""
        return f"X'{obj.hex()}'" if isinstance(obj, bytes) else super().escape(obj)


def _tls(said: Mapping[str, Any]) -> ssl.SSLContext:
    """What a URL says by ssl_ca, ssl_cert and ssl_key: the server's certificate is always looked at."""
    context = ssl.create_default_context(cafile=said.get("ca"))
    if said.get("cert"):
        context.load_cert_chain(said["cert"], said.get("key"))
    return context
