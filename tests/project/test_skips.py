"""In CI nothing is skipped silently."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

MODULES = {
    "call": "import pytest\ndef test(): pytest.skip('no stack')\n",
    "mark": "import pytest\n@pytest.mark.skip('no stack')\ndef test(): pass\n",
    "module": "import pytest\npytest.skip('no stack', allow_module_level=True)\n",
    "import": "import pytest\npytest.importorskip('no_stack', reason='no stack')\n",
    "xfail": "import pytest\n@pytest.mark.xfail\ndef test(): assert False\n",
    "pass": "def test(): assert True\n",
}


def run(directory: Path, module: str, ci: str) -> subprocess.CompletedProcess[str]:
    (directory / "conftest.py").write_text(CONFTEST.read_text("utf-8"))
    (directory / "test_it.py").write_text(MODULES[module])
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:hypothesispytest",
        ".",
    ]
    return subprocess.run(command, cwd=directory, env=os.environ | {"CI": ci}, capture_output=True, text=True)


@pytest.mark.parametrize("module", ["call", "mark", "module", "import"])
def test_in_ci_a_skipped_test_fails_and_says_why(tmp_path: Path, module: str) -> None:
    ran = run(tmp_path, module, ci="true")
    assert ran.returncode != 0
    assert "Skipped, which CI does not accept: no stack" in ran.stdout


@pytest.mark.parametrize("module", ["pass", "xfail"])
def test_in_ci_what_passes_or_is_known_to_fail_is_left_alone(tmp_path: Path, module: str) -> None:
    assert run(tmp_path, module, ci="true").returncode == 0


def test_elsewhere_a_test_may_be_skipped(tmp_path: Path) -> None:
    ran = run(tmp_path, "call", ci="")
    assert ran.returncode == 0
    assert "1 skipped" in ran.stdout
