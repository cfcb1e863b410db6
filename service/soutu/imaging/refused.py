"""Files that brought a decoder down: refused at once when they come again."""

from collections import Counter, OrderedDict
from hashlib import sha256

from soutu.domain.errors import Reason


class RefusedFiles:
    """The last `capacity` such files, by hash, each with the reason it was refused for."""

    def __init__(self, capacity: int = 1024) -> None:
        self._capacity = capacity
        self._reasons: OrderedDict[bytes, tuple[int, Reason]] = OrderedDict()
        self._sizes: Counter[int] = Counter()
        self._slow: OrderedDict[bytes, None] = OrderedDict()

    def add(self, data: bytes, reason: Reason) -> None:
        """Remember these bytes; the oldest are forgotten beyond the capacity. Slow ones are given a second
        chance: the machine, not the file, may have been to blame."""
        digest = sha256(data).digest()
        if digest in self._reasons:
            return
        if reason is Reason.IMAGE_TOO_SLOW and digest not in self._slow:
            self._slow[digest] = None
            if len(self._slow) > self._capacity:
                self._slow.popitem(last=False)
            return
        self._reasons[digest] = (len(data), reason)
        self._sizes[len(data)] += 1
        if len(self._reasons) > self._capacity:
            _, (size, _) = self._reasons.popitem(last=False)
            self._sizes[size] -= 1

    def reason(self, data: bytes) -> Reason | None:
        """Why these bytes are refused, or None. Only bytes as long as refused ones are hashed."""
        if not self._sizes[len(data)]:
            return None
        _, reason = self._reasons.get(sha256(data).digest(), (0, None))
        return reason
