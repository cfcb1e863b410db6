"""Whether an address can be listened on."""

import errno
import socket


def cannot_listen(address: str) -> OSError:
    """The error for an address that cannot be had."""
    return OSError(f"cannot listen on {address}: is something else listening there?")


def check_free(address: str) -> None:
    """OSError if something listens on `address` (host:port) already: sockets that share a port would not say
    so of each other, and get calls in turn. What else is wrong with it, gRPC finds."""
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return
    for family, _, _, _, place in found:
        if _is_taken(family, place):
            raise cannot_listen(address)


def _is_taken(family: int, place: object) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that end take no address
        try:
            tried.bind(place)  # type: ignore[arg-type]  # as getaddrinfo gives it
        except OSError as error:
            return error.errno == errno.EADDRINUSE
        return False
