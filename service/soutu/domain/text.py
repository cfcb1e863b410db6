"""Texts that queries and labels are made of."""

from soutu.domain.errors import invalid_field

TEXT_LIMIT = 1_024


def checked_text(text: str, field: str) -> str:
    """The text, if it is one of 1 to 1,024 characters that are not all white space; else FIELD_INVALID."""
    if len(text) > TEXT_LIMIT:
        raise invalid_field(field, f"must be at most {TEXT_LIMIT:,} characters")
    if not text.strip():
        raise invalid_field(field, "must say something")
    return text
