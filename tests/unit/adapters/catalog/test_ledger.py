"""What writes do, worked out without a database."""

from datetime import UTC, datetime

from soutu.adapters.catalog.ledger import DRAFT_UID, Deletions, Ledger, runs
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Metadata, Origin
from soutu.domain.writing import Remove, Revise, Write, Written
from tests.contract.catalog_fixtures import put

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_runs_are_cut_where_an_id_comes_again() -> None:
    a, b = put("a"), put("b")
    again: Write = Remove("a")
    assert [list(run) for run in runs([a, b, again, b, Remove("b")])] == [[a, b], [again, b], [Remove("b")]]
    assert list(runs([])) == []


def test_a_failed_write_changes_nothing() -> None:
    ledger = Ledger(1, 7, NOW, [], Deletions(ids={"a": 6}))
    outcome = ledger.outcome(put("a", started_at=5))
    assert isinstance(outcome, SoutuError)
    assert outcome.reason is Reason.IMAGE_CHANGED_MEANWHILE
    assert (ledger.revision, ledger.created) == (7, [])


def test_new_images_get_revisions_at_once_and_uids_later() -> None:
    ledger = Ledger(1, 7, NOW, [], Deletions())
    outcome = ledger.outcome(put("a"))
    assert isinstance(outcome, Written)
    assert outcome.image is not None
    assert (outcome.image.uid, outcome.revision, ledger.created) == (DRAFT_UID, 8, [outcome.image])


def test_an_origin_deleted_in_the_same_run_stays_deleted() -> None:
    origin = Origin("s", "p")
    first = Ledger(1, 0, NOW, [], Deletions())
    made = first.outcome(put("a", origin=origin))
    assert isinstance(made, Written)
    assert made.image is not None
    ledger = Ledger(1, 1, NOW, [made.image], Deletions())
    ledger.outcome(Remove("a"))
    outcome = ledger.outcome(put("b", origin=origin, started_at=1))
    assert isinstance(outcome, SoutuError)
    assert outcome.reason is Reason.IMAGE_CHANGED_MEANWHILE
    assert isinstance(ledger.outcome(Revise("a", Metadata())), SoutuError)
