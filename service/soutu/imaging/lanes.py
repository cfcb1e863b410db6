"""Places for decoders: as many as jobs may run at a time, and as many again for those that take long."""

import asyncio

from soutu.imaging.process import DecoderProcess


class Slot:
    """A place for one decoder; vacant until the next job where one could not be started.

    `aside` while it does not go round; `slow` once its decoder has given way; `starved` where its job ended
    since others kept it from computing.
    """

    def __init__(self, *, aside: bool = False) -> None:
        self.decoder: DecoderProcess | None = None
        self.slow = False
        self.aside = aside
        self.starved = False


class Lanes:
    """`size` slots go round; one that is set aside is stood in for by another while that is needed."""

    def __init__(self, size: int) -> None:
        self.slots = [Slot() for _ in range(size)]
        self._size = self._round = size
        self._reserve: list[Slot] = []
        self._waiting: list[Slot] = []  # for another that could go round instead
        self._idle: asyncio.LifoQueue[Slot] = asyncio.LifoQueue()

    @property
    def full(self) -> bool:
        """Whether as many slots go round as should."""
        return self._round == self._size

    async def free(self) -> Slot:
        """The next slot that is free; first come, first served."""
        return await self._idle.get()

    def set_aside(self, slot: Slot) -> Slot | None:
        """The slot's job takes long: answers which slot is to go round instead, by being given back as soon
        as it has a decoder. None where every other one is needed, too: then this one goes on going round
        until another is free."""
        if not self._reserve and len(self.slots) == 2 * self._size:
            self._waiting.append(slot)
            return None
        self._round -= 1
        slot.aside = True
        return self._reserve.pop() if self._reserve else self._another()

    def give_back(self, slot: Slot) -> None:
        """The slot is free: it goes round, or into the reserve where enough others do."""
        slot.slow = slot.starved = False
        if slot in self._waiting:
            self._waiting.remove(slot)
        if slot.aside and self.full and self._waiting:
            self._waiting.pop(0).aside = True
            self._round -= 1
        if slot.aside and self.full:
            self._reserve.append(slot)
            return
        if slot.aside:
            slot.aside = False
            self._round += 1
        self._idle.put_nowait(slot)

    async def drained(self) -> None:
        """Takes every slot that goes round, for good."""
        for _ in range(self._size):
            await self._idle.get()

    def _another(self) -> Slot:
        slot = Slot(aside=True)
        self.slots.append(slot)
        return slot
