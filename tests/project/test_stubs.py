"""service/soutu/v1 is what protos/soutu/v1 generates."""

import os
import subprocess
import sys
from pathlib import Path

from tests.project.source import ROOT


def test_the_stubs_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "stubs.py"), "--check"]
    plugins = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = os.environ | {"PATH": plugins}
    checked = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
