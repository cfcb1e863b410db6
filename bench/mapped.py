"""What a process has mapped of a directory's files: memory that the system can take back."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

_BLOCK_BYTES = 512  # of st_blocks
_MIB = 2**20
_REMOVED = " (deleted)"


@dataclass(frozen=True, slots=True)
class Mapped:
    """How many files; how long they are, which bounds what of them can be in memory, and what is; their room
    on disk, which is less where they are sparse; and how many were removed: those keep their room, too."""

    files: int = 0
    length_mib: float = 0.0
    resident_mib: float = 0.0
    disk_mib: float = 0.0
    removed: int = 0

    def __str__(self) -> str:
        memory = f"{self.resident_mib:.0f} of {self.length_mib:.0f} MiB in memory"
        return f"{self.files} files mapped, {memory}, {self.disk_mib:.0f} MiB on disk"


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
    names = [each for each in resident_kib if not each.endswith(_REMOVED)]
    there = [Path(each).stat() for each in names if Path(each).exists()]
    return Mapped(
        len(resident_kib),
        sum(each.st_size for each in there) / _MIB,
        sum(resident_kib.values()) / 1024,
        sum(each.st_blocks * _BLOCK_BYTES for each in there) / _MIB,
        len(resident_kib) - len(names),
    )
