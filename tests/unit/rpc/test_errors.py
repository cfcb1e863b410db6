"""Errors on their way to clients."""

from google.rpc import error_details_pb2

from soutu.domain.errors import Reason, SoutuError, invalid_field
from soutu.rpc.errors import status_of


def test_what_a_caller_sent_comes_back_cut_short_and_printable() -> None:
    status = status_of(invalid_field("attributes." + "x" * 100_000, "a\0b\u202e" + "\U0001f600" * 100_000))
    assert status.ByteSize() < 8_192
    assert not [each for each in status.message if not each.isprintable()]
    assert status.message.startswith("attributes.x")


def test_a_sentence_of_ours_stays_as_it_is() -> None:
    error = SoutuError(Reason.QUEUE_FULL, queue="inference")
    status, info, retry = status_of(error), error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.message == Reason.QUEUE_FULL.meaning
    assert status.details[0].Unpack(info)
    assert (info.reason, dict(info.metadata)) == ("QUEUE_FULL", {"queue": "inference"})
    assert status.details[1].Unpack(retry)
    assert retry.retry_delay.seconds == 1
