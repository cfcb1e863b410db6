"""What statuses become."""

from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2

from soutu.client import error_of_status
from tests.unit.client.fake_server import failure


def test_a_status_keeps_what_its_details_say() -> None:
    status = failure(code_pb2.RESOURCE_EXHAUSTED, "Too much.", "QUEUE_FULL", waiting="12")
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(nanos=250_000_000))
    status.details.add().Pack(retry)
    error = error_of_status(status)
    assert (error.status, error.reason) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL")
    assert error.metadata == {"waiting": "12"}
    assert error.retry_after_s == 0.25
    assert str(error) == "QUEUE_FULL: Too much."


def test_a_status_without_details_is_told_by_its_name() -> None:
    error = error_of_status(failure(code_pb2.CANCELLED, "Stopped."))
    assert (error.status, error.reason, error.retry_after_s) == ("CANCELLED", "", None)
