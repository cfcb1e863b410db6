"""Certificates for one test: authorities, and what they have signed, as PEM files."""

from dataclasses import dataclass
from pathlib import Path

import trustme

from soutu.client import Tls


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate and its key."""

    certificate: Path
    private_key: Path


class Authority:
    """Signs certificates of servers and clients, for localhost and 127.0.0.1."""

    def __init__(self, directory: Path, name: str) -> None:
        self._ca, self._directory, self._name = trustme.CA(), directory, name
        self.certificate = directory / f"{name}.pem"
        self._ca.cert_pem.write_to_path(str(self.certificate))

    def sign(self, name: str) -> Signed:
        """A certificate in files of that name, which may be there: then they are replaced."""
        made = self._ca.issue_cert("localhost", "127.0.0.1")
        signed = Signed(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        made.private_key_pem.write_to_path(str(signed.private_key))
        signed.certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        return signed

    def trusted(self, own: Signed | None = None) -> Tls:
        """How a client talks to servers of this authority, with a certificate of its own or without."""
        authority = self.certificate.read_bytes()
        if own is None:
            return Tls(authority)
        return Tls(authority, own.certificate.read_bytes(), own.private_key.read_bytes())
