"""The one error of filters."""

from soutu.domain.errors import Reason, SoutuError


def refused(column: int, sentence: str) -> SoutuError:
    """FILTER_INVALID for a mistake at this place of the text, counted from 1 in code points."""
    return SoutuError(
        Reason.FILTER_INVALID, f"filter, column {column}: {sentence}", field="filter", column=column
    )


def shown(text: str) -> str:
    """A piece of a filter as an error quotes it: short and printable."""
    return repr(text if len(text) <= 40 else f"{text[:40]}…").encode("ascii", "backslashreplace").decode()
