"""The command line, as people run it."""

import os
import subprocess
import sys
from collections.abc import Mapping

from tests.flows.served import SOURCE_ROOT


def soutu(*arguments: str, ok: bool = True, variables: Mapping[str, str] | None = None) -> str:
    """What the command prints; it must succeed, or fail where `ok` is false."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SOUTU_")}
    ran = subprocess.run(
        [sys.executable, "-m", "soutu.cli", *arguments],
        env={**inherited, "PYTHONPATH": str(SOURCE_ROOT), **(variables or {})},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ran.returncode == 0) is ok, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr
