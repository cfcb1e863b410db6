"""What a benchmark found, printed as a table and written to bench/results as JSON and Markdown."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from soutu.cli.output import print_table

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parent.parent
PACKAGES = (
    "grpcio",
    "numpy",
    "onnxruntime",
    "openvino",
    "pillow",
    "qdrant-edge-py",
    "simplejpeg",
    "SQLAlchemy",
)
COLUMNS = ("measured", "value", "unit", "target", "remark")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `target` is what it is to be, such as ">= 65", where that was set."""

    measured: str
    value: float
    unit: str
    target: str = ""
    remark: str = ""

    def cells(self) -> tuple[str, ...]:
        """For a table, in the order of COLUMNS."""
        return self.measured, number_text(self.value), self.unit, self.target, self.remark


@dataclass(frozen=True, slots=True)
class Table:
    """The figures of one `subject`, such as a model and what is stored under it."""

    subject: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and of what the figures were taken."""

    processor: str
    cores: int
    system: str
    python: str
    packages: dict[str, str]
    commit: str
    time: str

    @classmethod
    def present(cls) -> "Machine":
        """This one, now."""
        return cls(
            processor=processor_name(),
            cores=len(os.sched_getaffinity(0)),
            system=f"{platform.system()} {platform.release().partition('-')[0]}",
            python=platform.python_version(),
            packages={name: version(name) for name in PACKAGES},
            commit=commit(),
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def sentence(self) -> str:
        """All of it, for people."""
        packages = ", ".join(f"{name} {number}" for name, number in self.packages.items())
        return (
            f"{self.processor}, {self.cores} cores, {self.system}; Python {self.python}, {packages}; "
            f"commit {self.commit}; {self.time}."
        )


def show(title: str, tables: Sequence[Table]) -> None:
    for table in tables:
        print(f"\n{title}: {table.subject}", flush=True)
        print_table(COLUMNS, [row.cells() for row in table.rows], right=("value",))


def keep(name: str, title: str, tables: Sequence[Table]) -> None:
    """Replaces the results of the benchmark `name`."""
    machine = Machine.present()
    RESULTS.mkdir(exist_ok=True)
    found = {"benchmark": name, "machine": asdict(machine), "tables": [asdict(table) for table in tables]}
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (RESULTS / f"{name}.md").write_text(markdown(name, title, tables, machine), encoding="utf-8")


def markdown(name: str, title: str, tables: Sequence[Table], machine: Machine) -> str:
    parts = [f"# {title}", f"`python -m bench {name}`", *map(section, tables), machine.sentence()]
    return "\n\n".join(parts) + "\n"


def section(table: Table) -> str:
    lines = [COLUMNS, ("---", "---:", "---", "---", "---"), *(row.cells() for row in table.rows)]
    return f"## {table.subject}\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def number_text(value: float) -> str:
    """With about three digits that mean something."""
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{decimals}f}"


def processor_name() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit() -> str:
    """Of the checkout, marked where there are changes beside it; "unknown" outside of one."""
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    described = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return described.stdout.strip() or "unknown"
