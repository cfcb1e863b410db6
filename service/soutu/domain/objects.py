"""Where bytes lie in the object store."""

THUMBNAIL_SIDES = (128, 256, 512, 1_024)
"""The sides that thumbnails are kept in."""


def content_key(sha256: str) -> str:
    """The key of a content's bytes."""
    return f"contents/{sha256[:2]}/{sha256}"


def thumbnail_key(sha256: str, side: int) -> str:
    """The key of the JPEG thumbnail of a content that fits a square of `side` pixels."""
    return f"thumbnails/{side}/{sha256[:2]}/{sha256}"
