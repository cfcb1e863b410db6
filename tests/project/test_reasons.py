"""Every reason of docs/errors.md is answered by a real server in some flow, or it is listed here why not."""

import re

from soutu.domain.errors import Reason
from tests.project.source import ROOT

# Provoked below gRPC alone: where, and why there.
BELOW: dict[str, tuple[str, str]] = {
    "GENERATION_UNSOUND": ("unit/collections/test_generations.py", "no index that is whole finds too little"),
    "MODEL_EXISTS": ("unit/adapters/models/test_folders.py", "no call adds models"),
    "MODEL_LOSES": ("unit/models/quantise/test_model.py", "models are made without a server"),
    "LICENCE_NOT_ACCEPTED": ("unit/models/test_pull.py", "models are fetched without a server"),
    "HUB_UNREACHABLE": ("unit/models/test_pull.py", "models are fetched without a server"),
    "MODEL_INVALID": ("unit/models/test_artefact.py", "models are checked when they are added"),
    "DEPLOYMENT_NOT_EMPTY": (
        "unit/adapters/backups/test_backups.py",
        "a backup is restored without a server",
    ),
    "BACKUP_RUNNING": ("contract/test_catalog_files.py", "a small one is over before the next is asked for"),
    "BOOSTS_TRUNCATED": (
        "unit/search/test_boosts.py",
        "it takes more than 8,192 images of which none has all that the boosts favour",
    ),
    "BACKLOG_FULL": ("unit/ingest/test_commits.py", "an index cannot be held back from outside"),
    "PUBLISH_LATE": (
        "unit/collections/test_generations.py",
        "writes would have to outrun the index for a minute",
    ),
    "INDEX_UNAVAILABLE": (
        "unit/adapters/vectors/test_edge_rebuild.py",
        "the follower waits it out; searches read what is open",
    ),
    "INFERENCE_UNAVAILABLE": ("contract/test_embedder.py", "a model in the process does not go away"),
    "SHUTTING_DOWN": ("unit/imaging/test_pool.py", "a server that drains takes no calls; gRPC refuses them"),
    "URI_TOO_SLOW": ("unit/adapters/fetch/test_web.py", "the shortest patience that can be set is too long"),
    "INTERNAL": ("unit/rpc/test_calls.py", "nothing in the suite may bring it about"),
}

# Of parts that are not there yet.
AHEAD: frozenset[str] = frozenset()


def named(reason: str, place: str) -> bool:
    """Whether the test, or one below the directory of tests, names the reason."""
    path = ROOT / "tests" / place
    files = path.rglob("*.py") if path.is_dir() else [path]
    return any(re.search(rf"\b{reason}\b", file.read_text("utf-8")) for file in files)


def test_every_reason_is_provoked() -> None:
    silent = [each.name for each in Reason if each.name not in BELOW and not named(each.name, "flows")]
    assert set(silent) <= AHEAD, "provoke them in a flow, or say here why that cannot be"


def test_the_exceptions_are_provoked_where_it_is_said() -> None:
    assert [reason for reason, (place, why) in BELOW.items() if not (why and named(reason, place))] == []
    assert not AHEAD & set(BELOW)
    assert {*AHEAD, *BELOW} <= set(Reason.__members__)


def test_a_reason_that_no_test_names_is_found() -> None:
    assert not named("NO_SUCH_" + "REASON", "flows")
    assert named("COLLECTION_NOT_FOUND", "flows")
