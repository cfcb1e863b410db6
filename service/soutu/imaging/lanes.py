"""Places for decoders: as many as jobs may run at a time, and as many again for those that take long."""

import asyncio

from soutu.imaging.process import DecoderProcess


class Slot:
    """A place for one decoder; vacant until the next job where one could not be started.

    `aside` while another slot stands in for it; `slow` once its decoder has given way; `starved` where its
    job ended since others kept it from computing.
    """

    def __init__(self) -> None:
        self.decoder: DecoderProcess | None = None
        self.slow = False
        self.aside = False
        self.starved = False


class Lanes:
    """`size` slots go round; one that is set aside is stood in for by another until its job is done."""

    def __init__(self, size: int) -> None:
        self.slots = [Slot() for _ in range(size)]
        self._size = size
        self._aside = 0
        self._reserve: list[Slot] = []
        self._idle: asyncio.LifoQueue[Slot] = asyncio.LifoQueue()

    async def free(self) -> Slot:
        """The next slot that is free; first come, first served."""
        return await self._idle.get()

    def set_aside(self, slot: Slot) -> None:
        """The slot's job takes long: another slot goes round instead, unless as many as `size` do already."""
        if self._aside == self._size:
            return
        self._aside += 1
        slot.aside = True
        self._idle.put_nowait(self._reserve.pop() if self._reserve else self._another())

    def give_back(self, slot: Slot) -> None:
        """The slot's job is done: it goes round again, or into the reserve where another does instead."""
        slot.slow = slot.starved = False
        if slot.aside:
            slot.aside = False
            self._aside -= 1
            self._reserve.append(slot)
        else:
            self._idle.put_nowait(slot)

    async def drained(self) -> None:
        """Takes every slot that goes round, for good."""
        for _ in range(self._size):
            await self._idle.get()

    def _another(self) -> Slot:
        slot = Slot()
        self.slots.append(slot)
        return slot
