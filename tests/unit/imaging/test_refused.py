from soutu.domain.errors import Reason
from soutu.imaging.refused import RefusedFiles


def test_refused_bytes_are_known_again_and_others_of_the_same_length_are_not() -> None:
    refused = RefusedFiles()
    refused.add(b"bomb", Reason.IMAGE_HOSTILE)
    assert refused.reason(b"bomb") is Reason.IMAGE_HOSTILE
    assert refused.reason(b"tomb") is None
    assert refused.reason(b"bombs") is None


def test_the_oldest_are_forgotten_beyond_the_capacity() -> None:
    refused = RefusedFiles(capacity=2)
    for data in (b"one", b"two", b"two", b"six"):
        refused.add(data, Reason.IMAGE_HOSTILE)
    assert [refused.reason(data) for data in (b"one", b"two", b"six")] == [
        None,
        Reason.IMAGE_HOSTILE,
        Reason.IMAGE_HOSTILE,
    ]


def test_slow_bytes_are_refused_from_the_second_time_on() -> None:
    refused = RefusedFiles(capacity=2)
    refused.add(b"slow", Reason.IMAGE_TOO_SLOW)
    refused.add(b"also slow", Reason.IMAGE_TOO_SLOW)
    assert refused.reason(b"slow") is None
    refused.add(b"slow", Reason.IMAGE_TOO_SLOW)
    assert (refused.reason(b"slow"), refused.reason(b"also slow")) == (Reason.IMAGE_TOO_SLOW, None)
