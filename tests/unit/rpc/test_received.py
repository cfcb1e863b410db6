"""Requests as they come: with their length, and never as an exception."""

from soutu.domain.errors import Reason, SoutuError
from soutu.rpc.received import Received, reader
from soutu.v1.image_service_pb2 import StreamUploadImageRequest


def test_a_message_comes_with_its_length() -> None:
    message = StreamUploadImageRequest(chunk=b"12345")
    assert reader(StreamUploadImageRequest.FromString)(message.SerializeToString()) == (message, 7)


def test_what_is_not_read_stays_bytes() -> None:
    assert reader(None)(b"12345") == Received(b"12345", 5)


def test_what_cannot_be_read_is_an_error_of_its_length() -> None:
    received = reader(StreamUploadImageRequest.FromString)(b"\xff\xff\xff")
    assert isinstance(received.message, SoutuError)
    assert received.message.reason is Reason.REQUEST_MALFORMED
    assert received.size_bytes == 3
