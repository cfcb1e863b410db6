"""Who may make a call: the key in its `authorization` header, and the scope that the method needs."""

import re
from collections.abc import Iterable

from soutu.domain.access import Key, Scope
from soutu.domain.errors import Reason, SoutuError
from soutu.ports import Clock, Keys
from soutu.rpc.scopes import SCOPES

_HEADER = "authorization"
_BEARER = re.compile(r"bearer ([A-Za-z0-9._~+/=-]{1,512})", re.IGNORECASE)

Metadata = Iterable[tuple[str, str | bytes]]


class Access:
    """Lets calls in, or not. Without `keys` everybody may do everything; `open_services` need no key."""

    def __init__(self, keys: Keys | None, clock: Clock, open_services: Iterable[str] = ()) -> None:
        self._keys = keys
        self._clock = clock
        self._open = frozenset(open_services)

    def caller(self, method: str, metadata: Metadata) -> str:
        """The label of the key that allows the call of `method`, "" where none is needed: UNAUTHENTICATED,
        KEY_MALFORMED, KEY_UNKNOWN, KEY_EXPIRED, SCOPE_MISSING."""
        if self._keys is None or method[1:].partition("/")[0] in self._open:
            return ""
        key = self._key(self._keys, metadata)
        needed = SCOPES.get(method, Scope.ADMIN)
        if key.scope < needed:
            raise SoutuError(
                Reason.SCOPE_MISSING,
                f"This call needs a key with the scope {needed.text}; this key's is {key.scope.text}.",
                scope=needed.text,
                key=key.label,
            )
        return key.label

    def _key(self, keys: Keys, metadata: Metadata) -> Key:
        headers = [value for name, value in metadata if name == _HEADER]
        if not headers:
            raise SoutuError(Reason.UNAUTHENTICATED)
        bearer = _BEARER.fullmatch(str(headers[0]))
        if len(headers) > 1 or bearer is None:
            raise SoutuError(Reason.KEY_MALFORMED)
        key = keys.ring.find(bearer[1])
        if key is None:
            raise SoutuError(Reason.KEY_UNKNOWN)
        if key.expires and key.expires <= self._clock.now():
            raise SoutuError(Reason.KEY_EXPIRED)
        return key
