"""Who may make a call, beyond what tests/flows/test_access.py asks a server."""

import timeit
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from soutu.domain.access import KeyRing, Scope, new_key
from soutu.domain.errors import Reason, SoutuError
from soutu.rpc.access import Access

_SEARCH = "/soutu.v1.SearchService/Search"


@dataclass
class SetClock:
    time: datetime = field(default_factory=lambda: datetime(2027, 1, 1, tzinfo=UTC))

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()


@dataclass(frozen=True)
class SomeKeys:
    ring: KeyRing


def reason(access: Access, *headers: str, method: str = _SEARCH) -> Reason | None:
    try:
        access.caller(method, [("user-agent", "x"), *(("authorization", each) for each in headers)])
    except SoutuError as error:
        return error.reason
    return None


def test_without_keys_everybody_may_do_everything() -> None:
    access = Access(None, SetClock())
    assert access.caller("/soutu.v1.AdminService/Backup", [("authorization", "nonsense")]) == ""


def test_a_key_expires_at_its_moment() -> None:
    clock = SetClock()
    secret, key = new_key("one", Scope.READ, clock.time + timedelta(seconds=1))
    access = Access(SomeKeys(KeyRing([key])), clock)
    assert access.caller(_SEARCH, [("authorization", f"Bearer {secret}")]) == "one"
    clock.time += timedelta(seconds=1)
    assert reason(access, f"Bearer {secret}") is Reason.KEY_EXPIRED


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer  x", "Bearer x y", "Basic x", "x", "Bearer 猫", f"Bearer {'x' * 513}"],
)
def test_a_header_that_is_no_bearer_key_is_malformed(header: str) -> None:
    assert reason(Access(SomeKeys(KeyRing([])), SetClock()), header) is Reason.KEY_MALFORMED


def test_the_name_of_the_scheme_may_be_written_in_any_case() -> None:
    secret, key = new_key("one", Scope.READ)
    access = Access(SomeKeys(KeyRing([key])), SetClock())
    assert [reason(access, f"{scheme} {secret}") for scheme in ("bearer", "BEARER")] == [None, None]


def test_a_method_that_is_not_in_the_table_needs_the_highest_scope() -> None:
    (secret, write), (highest, admin) = new_key("one", Scope.WRITE), new_key("two", Scope.ADMIN)
    access = Access(SomeKeys(KeyRing([write, admin])), SetClock())
    assert reason(access, f"Bearer {secret}", method="/a.B/C") is Reason.SCOPE_MISSING
    assert reason(access, f"Bearer {highest}", method="/a.B/C") is None


def test_a_thousand_keys_cost_microseconds_a_call() -> None:
    pairs = [new_key(f"k{number}", Scope.READ) for number in range(1_000)]
    access = Access(SomeKeys(KeyRing([key for _, key in pairs])), SetClock())
    metadata = [("authorization", f"Bearer {pairs[500][0]}")]
    best_s = min(timeit.repeat(lambda: access.caller(_SEARCH, metadata), number=200, repeat=5)) / 200
    assert best_s < 100e-6  # some 4e-6 on an idle core
