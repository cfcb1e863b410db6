"""A client without gRPC's manners: it speaks as much HTTP/2 as it takes to be let in."""

import socket
import struct
from types import TracebackType
from typing import Self

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, END_HEADERS = 1, 4


class RawConnection:
    """A TCP connection on which a test sends whatever bytes it likes."""

    def __init__(self, address: str, timeout_s: float = 5.0) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def greet(self) -> None:
        """Begins a connection as a client of HTTP/2 does."""
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0))

    def call(self, path: str, message: bytes, **headers: str) -> None:
        """Sends a whole request on stream 1; `headers` are added to those of gRPC ("_" for "-")."""
        self.socket.sendall(headers_frame(path, headers) + frame(DATA, END_STREAM, 1, prefixed(message)))

    def frames(self) -> list[int]:
        """The types of the frames that come, up to the end of stream 1 or of the connection."""
        kinds: list[int] = []
        while header := self._exactly(9):
            length, kind, flags = int.from_bytes(header[:3], "big"), header[3], header[4]
            self._exactly(length)
            kinds.append(kind)
            stream = int.from_bytes(header[5:9], "big")
            if kind in (GOAWAY, RST_STREAM) or (stream == 1 and flags & END_STREAM and kind == HEADERS):
                break
        return kinds

    def ended(self) -> bool:
        """Whether the server closes the connection, whatever it says before."""
        try:
            while self.socket.recv(4096):
                pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                return b""
            data += more
        return data


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def headers_frame(path: str, headers: dict[str, str]) -> bytes:
    """The headers of a gRPC request on stream 1, and these."""
    usual = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "x",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return frame(HEADERS, END_HEADERS, 1, b"".join(_literal(*each) for each in (usual | named).items()))


def prefixed(message: bytes) -> bytes:
    """A message as gRPC puts it on the wire."""
    return b"\0" + struct.pack(">I", len(message)) + message


def _literal(name: str, value: str) -> bytes:
    """A header in HPACK: literal, never indexed, no Huffman (RFC 7541, 6.2.3)."""
    return b"\x10" + b"".join(bytes([len(text)]) + text for text in (name.encode(), value.encode("latin-1")))
