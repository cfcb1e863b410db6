"""Milvus's failures as ours; none of its words are told."""

import pytest
from grpc import StatusCode
from pymilvus.exceptions import MilvusException

from soutu.adapters.vectors.milvus_errors import translated
from soutu.domain.errors import Reason

SAID = "secret words of milvus"


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        (1, Reason.INDEX_UNAVAILABLE, "index.url"),
        (2, Reason.INDEX_UNAVAILABLE, "index.url"),
        (StatusCode.UNAVAILABLE, Reason.INDEX_UNAVAILABLE, "index.url"),
        (StatusCode.DEADLINE_EXCEEDED, Reason.INDEX_UNAVAILABLE, "index.url"),
        (StatusCode.UNAUTHENTICATED, Reason.INDEX_UNAVAILABLE, "index.password"),
        (8, Reason.INDEX_UNAVAILABLE, "limits"),
        (100, Reason.INDEX_UNREADY, "no collection"),
        (101, Reason.INDEX_UNREADY, "loaded now"),
        (503, Reason.INDEX_UNREADY, "coming up"),
        (800, Reason.INDEX_UNAVAILABLE, "index.database"),
        (65535, Reason.INDEX_UNAVAILABLE, "cannot be reached or written"),
    ],
)
def test_a_code_becomes_a_reason_and_a_sentence(code: object, reason: Reason, words: str) -> None:
    error = translated(MilvusException(code, SAID))
    assert error.reason is reason
    assert words in error.message
    assert SAID not in error.message


@pytest.mark.parametrize("error", [TimeoutError(SAID), ConnectionRefusedError(SAID)])
def test_no_answer_is_a_server_that_is_away(error: Exception) -> None:
    assert translated(error).message == "The Milvus server of index.url does not answer; retry."


def test_a_user_that_milvus_does_not_know_is_named_by_the_settings() -> None:
    error = translated(MilvusException(1100, "auth check failure, please check username and password"))
    assert "index.user" in error.message
