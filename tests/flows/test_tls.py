"""TLS and mutual TLS: who reaches a server, certificates that are renewed, files that cannot be used."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from soutu.client import Client, SoutuCallError, Tls
from soutu.domain.access import Scope
from tests.flows.authorities import Authority, Signed
from tests.flows.cli import soutu
from tests.flows.keyring import Keyring
from tests.flows.served import SOURCE_ROOT, Served, until
from tests.project.source import ROOT


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def certificate(ours: Authority) -> Signed:
    return ours.sign("server")


def settings(certificate: Signed, **more: object) -> dict[str, str]:
    files = {"TLS_CERTIFICATE": certificate.certificate, "TLS_KEY": certificate.private_key, **more}
    return {f"SOUTU_SERVER_{name}": str(value) for name, value in files.items()}


@pytest.fixture
def secure(tmp_path: Path, certificate: Signed) -> Iterator[Served]:
    """A server that speaks TLS."""
    with Served(tmp_path / "server", settings=settings(certificate)) as server:
        yield server


def reaches(server: Served, tls: Tls | None) -> bool:
    """Whether a new connection is made."""
    with Client(server.address, tls=tls, timeout_s=5) as client:
        try:
            return client.serving()
        except SoutuCallError as error:
            if error.unreachable:
                return False
            raise


def test_only_those_who_speak_tls_and_trust_its_authority_reach_the_server(
    secure: Served, ours: Authority, tmp_path: Path
) -> None:
    assert reaches(secure, ours.trusted())
    assert not reaches(secure, None)
    assert not reaches(secure, Authority(tmp_path, "theirs").trusted())


def test_a_renewed_certificate_is_served_without_a_restart(secure: Served, tmp_path: Path) -> None:
    theirs = Authority(tmp_path, "theirs")
    assert not reaches(secure, theirs.trusted())
    theirs.sign("server")
    assert until(lambda: reaches(secure, theirs.trusted()))
    assert "the certificate was read anew" in secure.log()


def test_a_broken_renewal_changes_nothing_until_it_is_mended(
    secure: Served, ours: Authority, tmp_path: Path
) -> None:
    theirs = Authority(tmp_path, "theirs")
    (tmp_path / "server.pem").write_bytes(theirs.sign("other").certificate.read_bytes())  # its key is missing
    assert reaches(secure, ours.trusted())
    assert "does not belong to the certificate" in secure.log()
    (tmp_path / "server.key").write_bytes((tmp_path / "other.key").read_bytes())
    assert until(lambda: reaches(secure, theirs.trusted()))


def test_mutual_tls_lets_in_those_with_a_certificate(
    tmp_path: Path, ours: Authority, certificate: Signed
) -> None:
    clients, strangers = Authority(tmp_path, "clients"), Authority(tmp_path, "strangers")
    asked = settings(certificate, TLS_CLIENT_AUTHORITIES=clients.certificate)
    with Served(tmp_path / "server", settings=asked) as server:
        assert reaches(server, ours.trusted(clients.sign("client")))
        assert not reaches(server, ours.trusted())
        assert not reaches(server, ours.trusted(strangers.sign("stranger")))


def test_the_command_line_speaks_tls_and_shows_certificate_and_key(
    tmp_path: Path, ours: Authority, certificate: Signed
) -> None:
    ring, own = Keyring(tmp_path), ours.sign("own")
    asked = settings(certificate, TLS_CLIENT_AUTHORITIES=ours.certificate)
    asked["SOUTU_ACCESS_KEYS_FILE"] = str(ring.file)
    (tmp_path / "mine.key").write_text(ring.secret(Scope.WRITE))
    with Served(tmp_path / "server", settings=asked) as server:
        certificates = ("--ca", ours.certificate, "--cert", own.certificate, "--cert-key", own.private_key)
        shown = [str(word) for word in (*certificates, "--key-file", tmp_path / "mine.key")]
        for where in (("--address", server.address), ("--data-dir", str(server.data_dir))):
            assert "gradient-color" in soutu(*where, *shown, "models", "list")
        variables = {
            "SOUTU_CLIENT_AUTHORITIES": str(ours.certificate),
            "SOUTU_CLIENT_CERTIFICATE": str(own.certificate),
            "SOUTU_CLIENT_PRIVATE_KEY": str(own.private_key),
            "SOUTU_CLIENT_KEY_FILE": str(tmp_path / "mine.key"),
        }
        assert "running at" in soutu("--data-dir", str(server.data_dir), "doctor", variables=variables)
        told = soutu("--data-dir", str(server.data_dir), "models", "list", ok=False)
        assert "speaks TLS" in told
        assert "--ca" in told


@pytest.mark.parametrize(
    ("spoilt", "sentence"),
    [
        ("missing", "server.pem cannot be read: No such file or directory."),
        ("nonsense", "server.pem holds no certificate in PEM."),
        ("mismatch", "does not belong to the certificate"),
        ("no key", "is not an unencrypted PEM key for"),
        ("no authorities", "clients.pem holds no certificate in PEM."),
    ],
)
def test_files_that_cannot_be_used_are_named_at_the_start(
    tmp_path: Path, ours: Authority, certificate: Signed, spoilt: str, sentence: str
) -> None:
    more = {}
    match spoilt:
        case "missing":
            certificate.certificate.unlink()
        case "nonsense":
            certificate.certificate.write_text("nonsense")
        case "mismatch":
            certificate.private_key.write_bytes(ours.sign("other").private_key.read_bytes())
        case "no key":
            certificate.private_key.write_text("nonsense")
        case "no authorities":
            (tmp_path / "clients.pem").write_text("nonsense")
            more = {"TLS_CLIENT_AUTHORITIES": tmp_path / "clients.pem"}
    told = soutu(
        *("--data-dir", str(tmp_path / "data"), "serve", "--port", "0"),
        ok=False,
        variables=settings(certificate, **more),
    )
    assert sentence in told
    assert "Traceback" not in told
    assert told.count("\n") <= 2


def test_what_keeps_tls_from_working_is_one_sentence_and_one_advice(
    secure: Served, ours: Authority, server: Served, tmp_path: Path
) -> None:
    theirs = Authority(tmp_path, "theirs")
    (tmp_path / "no.pem").write_text("nonsense")
    tried = {
        (secure.address, "--ca", theirs.certificate): ("TLS handshake failed", "--ca names"),
        (secure.address,): ("closed the connection at once", "--ca names"),
        (secure.address, "--ca", tmp_path / "no.pem"): ("are no sound PEM", "--ca"),
        (server.address, "--ca", ours.certificate): ("does not speak TLS", "Leave out --ca"),
    }
    for (address, *shown), (fault, advice) in tried.items():
        told = soutu("--address", str(address), *map(str, shown), "models", "list", ok=False)
        assert fault in told
        assert advice in told
        assert told.count("\n") == 1, told
    named = {"SOUTU_CLIENT_SERVER_NAME": "elsewhere", "SOUTU_CLIENT_AUTHORITIES": str(ours.certificate)}
    told = soutu("--address", secure.address, "models", "list", ok=False, variables=named)
    assert "for another name" in told
    assert "client.server_name" in told


def test_the_commands_of_the_handbook_make_keys_and_certificates(tmp_path: Path) -> None:
    handbook = (ROOT / "docs" / "operating.md").read_text("utf-8")
    program = f'soutu() {{ {sys.executable} -m soutu.cli "$@"; }}'
    for first in ("soutu keys new me", "openssl req -x509"):
        (block,) = (each for each in handbook.split("```") if each.startswith(f"\n{first}"))
        subprocess.run(
            ["bash", "-ec", f"{program}\n{block}"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
            check=True,
            capture_output=True,
        )
    made = Signed(tmp_path / "server.pem", tmp_path / "server.key")
    asked = settings(made) | {"SOUTU_ACCESS_KEYS_FILE": str(tmp_path / "keys.toml")}
    shown = ("--ca", str(tmp_path / "ca.pem"), "--key-file", str(tmp_path / "me.key"))
    with Served(tmp_path / "server", settings=asked) as server:
        assert "gradient-color" in soutu("--address", server.address, *shown, "models", "list")


def test_handshakes_that_fail_write_nothing_between_the_lines_of_the_log(secure: Served) -> None:
    assert not reaches(secure, None)
    lines = (line for line in secure.log().splitlines() if not line.startswith("Soutu serves at"))
    assert all(line.startswith("{") for line in lines), secure.log()
    loud = {"GRPC_VERBOSITY": "INFO", "SOUTU_CLIENT_TLS": "true"}
    told = soutu("--address", secure.address, "models", "list", ok=False, variables=loud)
    assert "ssl_transport_security" in told, "who asks for it sees it"
