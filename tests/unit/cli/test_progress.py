"""What the progress bar says."""

from google.protobuf.duration_pb2 import Duration

from soutu.cli.output import size_text
from soutu.cli.progress import left_text, rate_text, state_text
from soutu.v1.collection_service_pb2 import OperationMetadata


def test_rate_and_failures() -> None:
    assert rate_text(OperationMetadata(rate=80.6, failed=3)) == "81/s, 3 failed"
    assert rate_text(OperationMetadata(failed=3)) == "3 failed"
    assert rate_text(OperationMetadata()) == ""


def test_time_left() -> None:
    assert left_text(OperationMetadata(time_left=Duration(seconds=65))) == "1:05 left"
    assert left_text(OperationMetadata()) == ""


def test_state() -> None:
    assert state_text(OperationMetadata(state=OperationMetadata.STATE_RUNNING)) == "running"


def test_sizes() -> None:
    assert [size_text(size) for size in (0, 999, 1_500, 20_000_000, 3_000_000_000_000)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "20.0 MB",
        "3000.0 GB",
    ]
