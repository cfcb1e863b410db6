"""Page tokens of lists: where a list goes on, bound to the list that it is of."""

import base64
import binascii
import hashlib
import json

from soutu.domain.errors import Reason, SoutuError


def list_token(listing: str, after: str | int | list[object]) -> str:
    """The token with which `listing` (its method and arguments, as text) continues behind `after`."""
    text = json.dumps([_digest(listing), after])
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def text_after(listing: str, token: str) -> str:
    """The text that `list_token` wrote, "" for no token; PAGE_TOKEN_INVALID for another list's."""
    after = _after(listing, token)
    if after is not None and not (isinstance(after, str) and after.isascii() and after.isprintable()):
        raise SoutuError(Reason.PAGE_TOKEN_INVALID, field="page_token")
    return after or ""


def number_after(listing: str, token: str) -> int:
    """The number that `list_token` wrote, 0 for no token; PAGE_TOKEN_INVALID for another list's."""
    after = _after(listing, token)
    if after is not None and not (isinstance(after, int) and 0 <= after < 1 << 63):
        raise SoutuError(Reason.PAGE_TOKEN_INVALID, field="page_token")
    return int(after or 0)


def items_after(listing: str, token: str) -> list[object]:
    """The list that `list_token` wrote, [] for no token; PAGE_TOKEN_INVALID for another list's."""
    after = _after(listing, token)
    if after is not None and not isinstance(after, list):
        raise SoutuError(Reason.PAGE_TOKEN_INVALID, field="page_token")
    return after or []


def _after(listing: str, token: str) -> object:
    if not token:
        return None
    try:
        digest, after = json.loads(base64.urlsafe_b64decode(token.encode() + b"=="))
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise SoutuError(Reason.PAGE_TOKEN_INVALID, field="page_token") from error
    if digest != _digest(listing) or after is None:
        raise SoutuError(Reason.PAGE_TOKEN_INVALID, field="page_token")
    return after


def _digest(listing: str) -> str:
    return hashlib.sha256(listing.encode()).hexdigest()[:16]
