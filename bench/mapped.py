"""What a process has mapped of a directory's files: memory that the system can take back."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

_BLOCK_BYTES = 512  # of st_blocks
_MIB = 2**20
_REMOVED = " (deleted)"


@dataclass(frozen=True, slots=True)
class Mapped:
    """How many files, their room on disk, what of them is in memory, and how many of them were removed: those
    the mapping keeps on the disk, too."""

    files: int = 0
    disk_mib: float = 0.0
    resident_mib: float = 0.0
    removed: int = 0

    def __str__(self) -> str:
        return f"{self.files} files mapped, {self.resident_mib:.0f} of {self.disk_mib:.0f} MiB in memory"


def mapped(pid: int, directory: Path) -> Mapped:
    """What the process has mapped of the files below `directory`, an absolute path without links."""
    resident_kib: dict[str, int] = defaultdict(int)
    name = ""
    for line in Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split(maxsplit=5)
        if not words[0].endswith(":"):  # range, rights, offset, device, inode, and a name or none
            name = words[5] if len(words) > 5 else ""
        elif words[0] == "Rss:" and name.startswith(f"{directory}/"):
            resident_kib[name] += int(words[1])
    there = [Path(each) for each in resident_kib if not each.endswith(_REMOVED)]
    disk_bytes = sum(each.stat().st_blocks * _BLOCK_BYTES for each in there if each.exists())
    resident_mib = sum(resident_kib.values()) / 1024
    return Mapped(len(resident_kib), disk_bytes / _MIB, resident_mib, len(resident_kib) - len(there))
