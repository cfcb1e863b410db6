"""PyTorch's trace of itself, thousands of records an export, is kept from pytest, which would hold them."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_trace() -> Iterator[None]:
    trace = logging.getLogger("torch.__trace")
    before, trace.propagate = trace.propagate, False
    yield
    trace.propagate = before
