"""TLS for the server: certificate, key and the authorities of clients, read anew when their files change."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from soutu.observe.logs import logger

_log = logger(__name__)

Stamps = tuple[tuple[int, int, int], ...]


class TlsError(ValueError):
    """One sentence that names the file that cannot be used, and says why."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. Where `client_authorities` is given, clients need a certificate signed by one of them."""

    certificate: Path
    private_key: Path
    client_authorities: Path | None = None

    def all(self) -> tuple[Path, ...]:
        """Those that are given."""
        given = (self.certificate, self.private_key, self.client_authorities)
        return tuple(file for file in given if file)


class ServerTls:
    """The files of a server, proved to belong together."""

    def __init__(self, files: TlsFiles) -> None:
        """Reads the files; TlsError."""
        self._files = files
        self._stamps: Stamps | None = None
        self._first = self._read()

    def credentials(self) -> grpc.ServerCredentials:
        """What gRPC makes of it. Before each new connection the files are looked at; while they are broken,
        or one of them is not yet replaced, what was read last goes on, and the log says so, once."""
        required = self._files.client_authorities is not None
        return grpc.dynamic_ssl_server_credentials(
            self._first,
            self._changed,  # type: ignore[arg-type]  # None is for no change, which grpc-stubs do not know
            required,
        )

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Called by threads of gRPC's."""
        try:
            if self._now() == self._stamps:
                return None
            configuration = self._read()
        except TlsError as error:
            _log.error("the last good certificate stays in use", problem=str(error))
            return None
        _log.info("the certificate was read anew", certificate=str(self._files.certificate))
        return configuration

    def _read(self) -> grpc.ServerCertificateConfiguration:
        self._stamps = stamps = self._now()
        self._check()
        certificate, private_key, *authorities = [_content(file) for file in self._files.all()]
        if self._now() != stamps:
            self._stamps = None  # the next connection looks again
            raise TlsError("The certificate's files change at this moment.")
        pairs = [(private_key, certificate)]
        return grpc.ssl_server_certificate_configuration(pairs, authorities[0] if authorities else None)

    def _now(self) -> Stamps:
        return tuple(_stamp(file) for file in self._files.all())

    def _check(self) -> None:
        """OpenSSL proves what gRPC would refuse without a word."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate, private_key = self._files.certificate, self._files.private_key
        for file in self._files.all():
            _content(file)
        _check_certificates(context, certificate)
        if self._files.client_authorities:
            _check_certificates(context, self._files.client_authorities)
        try:
            context.load_cert_chain(certificate, private_key, password="")
        except ssl.SSLError as error:
            why = "does not belong to" if "MISMATCH" in str(error) else "is not an unencrypted PEM key for"
            raise TlsError(f"The key {private_key} {why} the certificate {certificate}.") from error


def _check_certificates(context: ssl.SSLContext, file: Path) -> None:
    try:
        context.load_verify_locations(file)
    except ssl.SSLError as error:
        raise TlsError(f"{file} holds no certificate in PEM.") from error


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise TlsError(f"{file} cannot be read: {error.strerror}.") from error


def _stamp(file: Path) -> tuple[int, int, int]:
    """What changes with the file; zeros where there is none."""
    try:
        status = file.stat()
    except OSError:
        return 0, 0, 0
    return status.st_mtime_ns, status.st_size, status.st_ino
