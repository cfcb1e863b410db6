import pytest

from soutu.adapters.vectors.edge_errors import translated
from soutu.domain.errors import Reason, SoutuError


class Panic(BaseException):
    """Derived as pyo3's PanicException is."""


@pytest.mark.parametrize("failure", [Exception("engine"), Panic("index out of bounds"), OSError("disk full")])
def test_whatever_the_engine_raises_becomes_unavailable_with_its_cause(failure: BaseException) -> None:
    with pytest.raises(SoutuError) as raised, translated():
        raise failure
    assert raised.value.reason is Reason.INDEX_UNAVAILABLE
    assert raised.value.__cause__ is failure


def test_our_own_errors_and_the_interpreters_pass() -> None:
    with pytest.raises(SoutuError, match="FIELD_INVALID"), translated():
        raise SoutuError(Reason.FIELD_INVALID)
    with pytest.raises(KeyboardInterrupt), translated():
        raise KeyboardInterrupt
