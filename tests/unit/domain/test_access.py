"""Keys: how they are made, read and found."""

import hashlib
import re
from datetime import UTC, datetime

import pytest

from soutu.domain.access import Key, KeyRing, KeysError, Scope, keys_of, new_key

_HASH = "ab" * 32


def test_a_new_key_is_256_bits_and_is_kept_as_its_hash() -> None:
    secret, key = new_key("web-1", Scope.WRITE)
    assert re.fullmatch(r"soutu_[A-Za-z0-9_-]{43}", secret)
    assert key.sha256 == hashlib.sha256(secret.encode()).digest()
    assert secret not in repr(key) + key.line()
    assert new_key("web-1", Scope.WRITE)[0] != secret


@pytest.mark.parametrize("expires", [None, datetime(2027, 1, 31, 12, 30, tzinfo=UTC)])
@pytest.mark.parametrize("scope", list(Scope))
def test_the_line_of_a_key_reads_as_the_key(scope: Scope, expires: datetime | None) -> None:
    _, key = new_key("web-1", scope, expires)
    assert keys_of(key.line(), "here") == (key,)


def test_a_key_is_found_by_its_secret_and_by_nothing_else() -> None:
    (first, one), (second, two) = new_key("one", Scope.READ), new_key("two", Scope.ADMIN)
    ring = KeyRing([one, two])
    assert (ring.find(first), ring.find(second)) == (one, two)
    assert [ring.find(other) for other in ("", first[:-1], f"{first}x", first.lower(), _HASH)] == [None] * 5


def test_a_hash_that_only_begins_alike_is_another_key() -> None:
    secret, key = new_key("one", Scope.READ)
    near = Key("near", Scope.ADMIN, key.sha256[:-1] + bytes([key.sha256[-1] ^ 1]))
    assert KeyRing([near]).find(secret) is None
    assert KeyRing([near, key]).find(secret) == key


def test_comments_and_zones_are_understood() -> None:
    text = (
        f'# ours\nweb = {{ scope = "read", sha256 = "{_HASH}", expires = 2027-01-31T01:00:00+01:00 }} # x\n'
    )
    (key,) = keys_of(text, "here")
    assert key == Key("web", Scope.READ, bytes.fromhex(_HASH), datetime(2027, 1, 31, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "here holds no key"),
        ("= nonsense", "here is not valid TOML"),
        ("web = 1", "here, key web: needs scope and sha256"),
        ('web = { scope = "read" }', "sha256 must be"),
        (f'web = {{ sha256 = "{_HASH}" }}', "scope must be one of read, write, admin"),
        (f'web = {{ scope = "all", sha256 = "{_HASH}" }}', "scope must be one of"),
        (f'web = {{ scope = ["read"], sha256 = "{_HASH}" }}', "scope must be one of"),
        ('web = { scope = "read", sha256 = "soutu_the-key-itself" }', "sha256 must be"),
        (f'web = {{ scope = "read", sha256 = "{_HASH}", label = 1 }}', "and nothing else"),
        (f'web = {{ scope = "read", sha256 = "{_HASH}", expires = 2027-01-01 }}', "with its zone"),
        (f'web = {{ scope = "read", sha256 = "{_HASH}", expires = 2027-01-01T00:00:00 }}', "with its zone"),
        (f'"a b" = {{ scope = "read", sha256 = "{_HASH}" }}', "a label is"),
        (f'a = {{ scope = "read", sha256 = "{_HASH}" }}\n' * 2, "here is not valid TOML"),
    ],
)
def test_what_cannot_be_read_is_told_without_what_may_be_secret(text: str, sentence: str) -> None:
    with pytest.raises(KeysError) as caught:
        keys_of(text, "here")
    assert sentence in str(caught.value)
    assert "the-key-itself" not in str(caught.value)


def test_a_label_that_will_not_do_is_refused() -> None:
    with pytest.raises(KeysError, match="a label is"):
        new_key("a b", Scope.READ)
