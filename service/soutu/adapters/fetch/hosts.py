"""Which addresses may be asked for: by scheme, host and port, before anything is resolved."""

from collections.abc import Sequence
from dataclasses import dataclass

from yarl import URL

from soutu.domain.errors import Reason, SoutuError

LENGTH_LIMIT = 2_048
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """`hosts` are names such as example.com, *.example.com for every name below it, or either with a port;
    without one the scheme's own. http counts only with `http`."""

    hosts: Sequence[str]
    http: bool = False

    def checked(self, text: str) -> URL:
        """The address, taken apart: URI_INVALID, URI_NOT_ALLOWED."""
        url = _parsed(text)
        if url.scheme == "http" and not self.http:
            raise SoutuError(
                Reason.URI_NOT_ALLOWED,
                "This server fetches by https only; http needs the setting fetch.http.",
            )
        if not any(_fits(url, host.lower()) for host in self.hosts):
            raise SoutuError(
                Reason.URI_NOT_ALLOWED, "This server does not fetch from that host and port (fetch.hosts)."
            )
        return url


def _parsed(text: str) -> URL:
    if len(text) > LENGTH_LIMIT or not text.isascii() or not text.isprintable() or set(text) & set(' \\"<>'):
        raise _invalid(f"it must be at most {LENGTH_LIMIT} characters of ASCII, others escaped")
    try:
        url = URL(text).with_fragment(None)
        has_port = 0 < (url.port or 0) <= 65_535
    except ValueError as error:
        raise _invalid("it cannot be parsed") from error
    if url.scheme not in _PORTS or not url.raw_host or not has_port:
        raise _invalid("it must begin with https://, or http://, and a host")
    if url.user is not None or url.password is not None:
        raise _invalid("it must not carry a user or a password")
    return url


def _invalid(why: str) -> SoutuError:
    return SoutuError(Reason.URI_INVALID, f"The address is not one that can be fetched: {why}.")


def _fits(url: URL, entry: str) -> bool:
    name, port = _taken_apart(entry)
    if (port or _PORTS[url.scheme]) != url.port:
        return False
    host = (url.raw_host or "").lower()
    return host.endswith(name[1:]) and host != name[2:] if name.startswith("*.") else host == name


def _taken_apart(entry: str) -> tuple[str, int]:
    """(host, port) of an entry; port 0 where it names none. IPv6 addresses stand in brackets."""
    host, colon, port = entry.rpartition(":")
    if colon and port.isdigit() and (entry.startswith("[") == host.endswith("]")):
        return host.strip("[]"), int(port)
    return entry.strip("[]"), 0
