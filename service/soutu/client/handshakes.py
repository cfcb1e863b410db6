"""Why a connection was not made, where TLS is the cause: gRPC says so in the words of its TLS library."""

from dataclasses import dataclass
from enum import StrEnum

_NOT_CONNECTED = "failed to connect"


class TlsFault(StrEnum):
    """What stood in the way of a connection; the metadata `tls` of its error."""

    UNTRUSTED = "untrusted"
    OTHER_NAME = "other-name"
    PLAIN = "plain"
    FILES = "files"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class _Sign:
    words: str
    fault: TlsFault
    sentence: str


_SIGNS = (
    _Sign(
        "CERTIFICATE_VERIFY_FAILED",
        TlsFault.UNTRUSTED,
        "the TLS handshake failed: no authority that is trusted here has signed its certificate, or that has"
        " expired",
    ),
    _Sign(
        "Hostname Verification Check",
        TlsFault.OTHER_NAME,
        "the TLS handshake failed: its certificate is for another name",
    ),
    _Sign("WRONG_VERSION_NUMBER", TlsFault.PLAIN, "the TLS handshake failed: it does not speak TLS"),
    _Sign(
        "create security handshaker",
        TlsFault.FILES,
        "TLS cannot be used: the authorities, the certificate or the private key given are no sound PEM",
    ),
    _Sign("Tls handshake failed", TlsFault.UNTRUSTED, "the TLS handshake failed"),
    _Sign("Socket closed", TlsFault.CLOSED, "it closed the connection at once, as one that speaks TLS does"),
    _Sign("reset by peer", TlsFault.CLOSED, "it closed the connection at once, as one that speaks TLS does"),
)


def tls_fault(details: str) -> tuple[TlsFault, str] | None:
    """The fault that gRPC's details of an unreachable server tell of, and a sentence; None for any other."""
    if _NOT_CONNECTED not in details:
        return None
    for sign in _SIGNS:
        if sign.words in details:
            return sign.fault, sign.sentence
    return None
