"""The vector of a query is what its message says, however it is written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from soutu.domain.query import GivenVector
from soutu.rpc.convert.queries import subject_of
from soutu.v1 import search_pb2

UNKNOWN = b"\x7a\x03new"  # a field that a later contract may have


def vector_of(message: search_pb2.Vector, *more: bytes) -> NDArray[np.float32]:
    """What is read of the message and of `more`, which comes behind it on the wire."""
    sent = search_pb2.Vector.FromString(b"".join([message.SerializeToString(), *more]))
    subject = subject_of(search_pb2.QueryPart(vector=sent), "c", "parts[0]")
    assert isinstance(subject, GivenVector)
    return subject.values


@given(st.lists(st.floats(width=32), max_size=300))
def test_the_values_are_read_as_they_were_written(values: list[float]) -> None:
    read = vector_of(search_pb2.Vector(values=values))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, np.array(values, np.float32))


@pytest.mark.parametrize("count", [0, 1, 31, 32, 4_095, 4_096])
def test_fields_of_a_later_contract_are_passed_over(count: int) -> None:
    values = np.arange(count, dtype=np.float32)
    read = vector_of(search_pb2.Vector(values=values.tolist()), UNKNOWN)
    np.testing.assert_array_equal(read, values)


def test_values_that_come_in_pieces_or_unpacked_are_one_vector() -> None:
    unpacked = b"\x0d" + np.float32(4).tobytes()
    read = vector_of(
        search_pb2.Vector(values=[1, 2]), search_pb2.Vector(values=[3]).SerializeToString(), unpacked
    )
    np.testing.assert_array_equal(read, [1, 2, 3, 4])


def test_half_precision_is_widened() -> None:
    halves = np.array([0.5, -2, 65504], "<f2")
    np.testing.assert_array_equal(vector_of(search_pb2.Vector(float16_values=halves.tobytes())), halves)
