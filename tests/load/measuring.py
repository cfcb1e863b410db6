"""Runs ghz with one of the configurations beside this file, and reads what it says."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.stack.places import ROOT, StackError, shared_tool

HERE = Path(__file__).parent
LONGEST_S = 600


class NoGhzError(Exception):
    """ghz is missing; the sentence says where it is looked for."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the server listens, and how callers make themselves known to it."""

    address: str
    key: str = ""
    authorities: Path | None = None

    def options(self) -> dict[str, object]:
        """What ghz's configuration says of it."""
        trusted = {"cacert": str(self.authorities)} if self.authorities else {"insecure": True}
        known = {"metadata": {"authorization": f"Bearer {self.key}"}} if self.key else {}
        return {"host": self.address, **trusted, **known}


@dataclass(frozen=True, slots=True)
class Measured:
    """One line of the table. Times are milliseconds, of the answers that came; `errors` counts the others by
    what they said."""

    scenario: str
    concurrency: int
    requests: int
    qps: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: Mapping[str, int]


def ghz() -> str:
    """The program: that of the PATH, else that of ../shared/tools; NoGhzError."""
    if found := shutil.which("ghz"):
        return found
    try:
        return shared_tool("ghz")
    except StackError as error:
        raise NoGhzError(
            f"{error}. Put ghz (https://ghz.sh, 0.120 or newer) on the PATH to measure under load."
        ) from error


def measured(scenario: str, data: Path, count: int, concurrency: int, target: Target) -> Measured:
    """Makes `count` requests of `data`, `concurrency` at a time, each of these on a connection of its own."""
    given = json.loads((HERE / f"{scenario}.json").read_text("utf-8"))
    concurrency = min(concurrency, count)
    options = {
        **given,
        **target.options(),
        "data-file": str(data),
        "total": count,
        "concurrency": concurrency,
        "connections": concurrency,
        "format": "json",
    }
    config = data.with_suffix(".config.json")
    config.touch(mode=0o600)  # it may hold a key
    config.write_text(json.dumps(options), "utf-8")
    try:
        ran = subprocess.run(
            [ghz(), "--config", str(config)], cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_S
        )
    finally:
        config.unlink()
    if ran.returncode:
        raise RuntimeError(f"ghz failed at {scenario}: {(ran.stderr or ran.stdout).strip()[-1_000:]}")
    return _read(scenario, concurrency, json.loads(ran.stdout))


def _read(scenario: str, concurrency: int, report: Mapping[str, Any]) -> Measured:
    at = {each["percentage"]: each["latency"] / 1e6 for each in report.get("latencyDistribution") or []}
    codes = report.get("statusCodeDistribution") or {}
    errors = report.get("errorDistribution") or {}
    return Measured(
        scenario=scenario,
        concurrency=concurrency,
        requests=report["count"],
        qps=codes.get("OK", 0) / (report["total"] / 1e9),
        p50_ms=at.get(50, float("nan")),
        p95_ms=at.get(95, float("nan")),
        p99_ms=at.get(99, float("nan")),
        errors=errors,
    )


def table(lines: Sequence[Measured]) -> str:
    """The lines as a table in Markdown, which reads as well in a terminal."""
    head = "| Scenario | Connections | Requests | QPS | p50 ms | p95 ms | p99 ms | Errors |"
    rows = [
        f"| {each.scenario} | {each.concurrency} | {each.requests} | {each.qps:.1f} | {each.p50_ms:.1f} "
        f"| {each.p95_ms:.1f} | {each.p99_ms:.1f} | {sum(each.errors.values())} |"
        for each in lines
    ]
    told = [f"{each.scenario}, {each.concurrency}: {count} x {what}" for each in lines
            for what, count in each.errors.items()]  # fmt: skip
    return "\n".join([head, "|---|---|---|---|---|---|---|---|", *rows, *told])
