"""Makes the secrets that docker-compose.yml mounts: passwords, Soutu's first key, a certificate.

    python scripts/compose_secrets.py [DIR]        DIR is deploy/secrets

What is there already stays as it is. The key for clients is in DIR/soutu_key; the server gets only its hash.
"""

import argparse
import datetime
import ipaddress
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from soutu.domain.access import Scope, new_key

DIRECTORY = Path(__file__).parents[1] / "deploy" / "secrets"
_DAYS = 825
_HOST = "localhost"


def written(directory: Path) -> Iterator[Path]:
    """Makes what is missing in the directory, in order, and yields each file that was made.

    Only the owner may enter the directory; all may read its files, since each container reads
    those that it is given as a user of its own.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for names, make in _MAKERS:
        paths = [directory / name for name in names]
        if all(path.exists() for path in paths):
            continue
        for path, text in zip(paths, make(directory), strict=True):
            path.write_text(text, "utf-8")
            path.chmod(0o644)
            yield path


def _password(_: Path) -> list[str]:
    return [secrets.token_hex(24)]


def _minio_user(_: Path) -> list[str]:
    return ["soutu-root"]


def _catalog_url(directory: Path) -> list[str]:
    password = (directory / "mysql_password").read_text("utf-8")
    return [f"mysql+aiomysql://soutu:{password}@mysql:3306/soutu"]


def _cache_url(directory: Path) -> list[str]:
    password = (directory / "redis_password").read_text("utf-8")
    return [f"redis://:{password}@redis:6379/0"]


def _key(_: Path) -> list[str]:
    secret, key = new_key("first", Scope.ADMIN)
    return [f"{key.line()}\n", f"{secret}\n"]


def _certificate(_: Path) -> list[str]:
    """A certificate that signs itself, for clients on this host; replace it by one that others trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, _HOST)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(_HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return [certificate.public_bytes(pem).decode(), key.private_bytes(pem, form, plain).decode()]


_Maker = Callable[[Path], Sequence[str]]
# The files that are made together, and how. Those further down are made of those before them.
_MAKERS: Sequence[tuple[Sequence[str], _Maker]] = (
    (["mysql_password"], _password),
    (["mysql_root_password"], _password),
    (["redis_password"], _password),
    (["minio_root_user"], _minio_user),
    (["minio_root_password"], _password),
    (["objects_secret_key"], _password),
    (["grafana_password"], _password),
    (["catalog_url"], _catalog_url),
    (["cache_url"], _cache_url),
    (["access_keys", "soutu_key"], _key),
    (["tls_certificate", "tls_key"], _certificate),
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path, nargs="?", default=DIRECTORY)
    for path in written(parser.parse_args(arguments).directory):
        print(path)


if __name__ == "__main__":
    main()
