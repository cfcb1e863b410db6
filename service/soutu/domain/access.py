"""Keys: who may call, and how much.

A key is 256 random bits, so one SHA-256 of it is a sound thing to keep: there is nothing to guess that a slow
hash would make dearer, as it does for passwords that people choose.
"""

import hashlib
import hmac
import re
import secrets
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

_SECRET_BYTES = 32
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FIELDS = frozenset({"scope", "sha256", "expires"})
_START_BYTES = 8


class KeysError(ValueError):
    """One sentence that says what is wrong with a text of keys; it repeats nothing that may be secret."""


class Scope(IntEnum):
    """What a key allows; each scope includes those before it."""

    READ = 1
    WRITE = 2
    ADMIN = 3

    @property
    def text(self) -> str:
        """Its name as people write it, such as "read"."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key: never the key itself, but its SHA-256. `label` is for logs."""

    label: str
    scope: Scope
    sha256: bytes
    expires: datetime | None = None

    def line(self) -> str:
        """Its line in a text of keys, which is TOML."""
        expires = f", expires = {self.expires.isoformat()}" if self.expires else ""
        return f'{self.label} = {{ scope = "{self.scope.text}", sha256 = "{self.sha256.hex()}"{expires} }}'


class KeyRing:
    """Keys that may be found by their secret."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._by_start: dict[bytes, list[Key]] = {}
        for key in keys:
            self._by_start.setdefault(key.sha256[:_START_BYTES], []).append(key)

    def find(self, secret: str) -> Key | None:
        """The key, expired or not, in a microsecond or two: its place is found by the beginning of the hash,
        which says nothing of the secret, and all of the hash is compared in constant time."""
        digest = hashlib.sha256(secret.encode()).digest()
        for key in self._by_start.get(digest[:_START_BYTES], ()):
            if hmac.compare_digest(key.sha256, digest):
                return key
        return None


def new_key(label: str, scope: Scope, expires: datetime | None = None) -> tuple[str, Key]:
    """A secret that nobody has seen, and what is kept of it; KeysError if the label will not do."""
    _check_label(label)
    secret = f"soutu_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return secret, Key(label, scope, hashlib.sha256(secret.encode()).digest(), expires)


def keys_of(text: str, origin: str) -> tuple[Key, ...]:
    """The keys of a text in TOML, one `label = { scope, sha256, expires }` a line; errors name `origin`.

    KeysError, also where there is no key at all: a file that was cut off must not lock everybody out.
    """
    try:
        keys = tuple(_keys(tomllib.loads(text), origin))
    except tomllib.TOMLDecodeError as error:
        raise KeysError(f"{origin} is not valid TOML: {error}.") from None
    if not keys:
        raise KeysError(f"{origin} holds no key; `soutu keys new` makes one.")
    return keys


def _keys(table: Mapping[str, object], origin: str) -> Iterator[Key]:
    for label, fields in table.items():
        try:
            _check_label(label)
            yield _key(label, fields)
        except KeysError as error:
            raise KeysError(f"{origin}, key {label[:64]}: {error}") from None


def _check_label(label: str) -> None:
    if not _LABEL.fullmatch(label):
        raise KeysError("a label is 1 to 64 letters, digits, _ and -.")


def _key(label: str, fields: object) -> Key:
    if not isinstance(fields, dict) or not fields.keys() <= _FIELDS:
        raise KeysError("needs scope and sha256, may have expires, and nothing else.")
    scopes, scope = {each.text: each for each in Scope}, fields.get("scope")
    if not isinstance(scope, str) or scope not in scopes:
        raise KeysError(f"scope must be one of {', '.join(scopes)}.")
    sha256, expires = fields.get("sha256"), fields.get("expires")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise KeysError("sha256 must be the 64 hexadecimal digits of the key's hash.")
    if expires is not None and not (isinstance(expires, datetime) and expires.tzinfo):
        raise KeysError("expires must be a time with its zone, such as 2027-01-31T00:00:00Z.")
    return Key(label, scopes[scope], bytes.fromhex(sha256), expires.astimezone(UTC) if expires else None)
