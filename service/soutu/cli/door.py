"""How a command makes itself known to a server: its key, and TLS."""

from pathlib import Path
from typing import TYPE_CHECKING

from soutu.cli.failures import CommandError

if TYPE_CHECKING:
    from soutu.client import Client, Tls
    from soutu.settings import ClientSettings


def client_for(address: str, settings: "ClientSettings | None" = None, *, tls: bool = False) -> "Client":
    """A client that shows what the settings say, and speaks TLS where they or `tls` say so; CommandError
    where a file cannot be read. None shows nothing, as to a private socket."""
    from soutu.client import Client

    if settings is None:
        return Client(address)
    return Client(address, key=_key(settings), tls=_tls(settings, tls))


def _key(settings: "ClientSettings") -> str | None:
    if settings.key_file:
        return _whole(_content(settings.key_file).decode("utf-8", "replace").strip(), str(settings.key_file))
    return _whole(settings.key, "client.key") if settings.key else None


def _whole(key: str, place: str) -> str:
    """The key that was found at a place, if it is one and there is nothing beside it."""
    from soutu.client.calls import checked_key

    try:
        return checked_key(key)
    except ValueError as error:
        sentence = "holds no key, or more than the key" if key else "is empty"
        advice = "`soutu keys new` prints one behind `key:`; the file has that word and nothing else"
        raise CommandError(f"{place} {sentence}: {advice}.") from error


def _tls(settings: "ClientSettings", spoken: bool) -> "Tls | None":
    from soutu.client import Tls

    files = (settings.authorities, settings.certificate, settings.private_key)
    if not (spoken or settings.tls or any(files)):
        return None
    authorities, certificate, private_key = [_content(file) if file else None for file in files]
    return Tls(authorities, certificate, private_key, settings.server_name)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
