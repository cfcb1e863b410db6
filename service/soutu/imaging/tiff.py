"""TIFF structures, read as far as they are sound: of TIFF itself, of EXIF blocks, and of cameras' raw files.

TIFF 6.0 section 2, BigTIFF, and the directories below a directory (SubIFDs, TIFF Technical Note 1). Nothing
that a stranger wrote makes these raise, loop or read without end.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

CLASSIC = (b"II*\0", b"MM\0*")
BIG = (b"II+\0", b"MM\0+")
KINDRED = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0")  # Olympus and Panasonic: TIFF under another number

SUB_IFDS = 330
_MOST_DIRECTORIES = 32
_MOST_ENTRIES = 65_535
_MOST_VALUES = 64
_VALUE_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_TEXT = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """A tag's value: its type, how many there are, how many bytes they have, and where they lie."""

    kind: int
    count: int
    size_bytes: int
    start: int


Directory = Mapping[int, Entry]


class Tiff:
    """The directories of the TIFF structure that `data` begins with; of each no more than `most_entries`."""

    def __init__(self, data: bytes | memoryview, most_entries: int = _MOST_ENTRIES) -> None:
        self._data = data
        self._most_entries = most_entries
        self._order = ">" if data[:2] == b"MM" else "<"
        self._is_big = data[:4] in BIG

    def first(self) -> Directory:
        """The first directory, as much of it as is there; empty if none is."""
        return self._directory(self._first_offset())[0]

    def at(self, offset: int) -> tuple[Directory, int, int]:
        """The directory at an offset, and where its table begins and ends; what is beyond the end is not."""
        directory, _ = self._directory(offset)
        count_bytes, entry_bytes, _ = self._widths
        count = min(self._number(offset, count_bytes), self._most_entries)
        return directory, offset, offset + count_bytes + count * entry_bytes

    def directories(self, below: Sequence[int] = (SUB_IFDS,)) -> Iterator[Directory]:
        """Every directory, and those that the tags `below` point to; at most 32, none twice."""
        waiting, seen = [self._first_offset()], set[int]()
        while waiting and len(seen) < _MOST_DIRECTORIES:
            offset = waiting.pop(0)
            if not offset or offset in seen:
                continue
            seen.add(offset)
            directory, following = self._directory(offset)
            waiting.append(following)
            for tag in below:
                waiting += self.numbers(directory, tag)
            yield directory

    def numbers(self, directory: Directory, tag: int, most: int = _MOST_VALUES) -> tuple[int, ...]:
        """The first whole numbers of a tag, at most `most`; none where it is missing or of another type."""
        entry = directory.get(tag)
        if entry is None or entry.kind not in _NUMBERS:
            return ()
        values = struct.Struct(f"{self._order}{min(entry.count, most)}{_NUMBERS[entry.kind]}")
        if entry.start + values.size > len(self._data):
            return ()
        return values.unpack_from(self._data, entry.start)

    def number(self, directory: Directory, tag: int, default: int = 0) -> int:
        """The first whole number of a tag."""
        return next(iter(self.numbers(directory, tag)), default)

    def text(self, directory: Directory, tag: int) -> str:
        """A tag's text, at most 200 characters."""
        entry = directory.get(tag)
        if entry is None or entry.kind != _TEXT:
            return ""
        end = entry.start + min(entry.size_bytes, 200)
        return bytes(self._data[entry.start : end]).partition(b"\0")[0].decode("latin-1").strip()

    @property
    def _widths(self) -> tuple[int, int, int]:
        """Bytes of a directory's count, of an entry, and of an offset."""
        return (8, 20, 8) if self._is_big else (2, 12, 4)

    def _first_offset(self) -> int:
        return self._number(8, 8) if self._is_big else self._number(4, 4)

    def _directory(self, offset: int) -> tuple[Directory, int]:
        """The directory at `offset`, and the offset of the next."""
        count_bytes, entry_bytes, word = self._widths
        count = min(self._number(offset, count_bytes), self._most_entries)
        start = offset + count_bytes
        present = max(0, min(count, (len(self._data) - start) // entry_bytes))
        heads = struct.Struct(f"{self._order}HH{'Q' if self._is_big else 'I'}")
        found = dict[int, Entry]()
        for at in range(start, start + present * entry_bytes, entry_bytes):
            tag, kind, values = heads.unpack_from(self._data, at)
            size, place = values * _VALUE_BYTES.get(kind, 1), at + heads.size
            found[tag] = Entry(kind, values, size, place if size <= word else self._number(place, word))
        return found, self._number(start + count * entry_bytes, word)

    def _number(self, at: int, length: int) -> int:
        return int.from_bytes(self._data[at : at + length], "little" if self._order == "<" else "big")
