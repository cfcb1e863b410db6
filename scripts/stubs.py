"""Generates service/soutu/v1 from protos/soutu/v1, or with --check fails if what is committed differs.

The Google messages that the contract uses come from googleapis-common-protos; only our own are generated.
"""

import argparse
import filecmp
import importlib.resources
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STUBS = ROOT / "service" / "soutu" / "v1"
_INIT = '"""Generated from protos/soutu/v1 by scripts/stubs.py; never edited."""\n'


def generate(directory: Path) -> None:
    """Writes the package soutu/v1 below `directory`."""
    protos = sorted((ROOT / "protos" / "soutu" / "v1").glob("*.proto"))
    _protoc(["python", "mypy"], protos, directory)
    services = [proto for proto in protos if "\nservice " in proto.read_text("utf-8")]
    _protoc(["grpc_python", "mypy_grpc"], services, directory)
    (directory / "soutu" / "v1" / "__init__.py").write_text(_INIT)


def _protoc(plugins: list[str], protos: list[Path], directory: Path) -> None:
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    options = {"mypy": "quiet:", "mypy_grpc": "quiet,generate_concrete_servicer_stubs:"}
    outputs = [f"--{plugin}_out={options.get(plugin, '')}{directory}" for plugin in plugins]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'protos'}", f"-I{well_known}"]
    subprocess.run([*command, *outputs, *map(str, protos)], check=True)


def drift(fresh: Path) -> list[str]:
    """Names of the files that differ between what is committed and what was generated."""
    names = {path.name for path in [*fresh.iterdir(), *STUBS.iterdir()] if path.is_file()}
    _, differing, missing = filecmp.cmpfiles(fresh, STUBS, names, shallow=False)
    return sorted(differing + missing)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare with what is committed")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as directory:
        generate(Path(directory))
        fresh = Path(directory) / "soutu" / "v1"
        if check:
            stale = drift(fresh)
            print(f"stale stubs, run `make stubs`: {', '.join(stale)}" if stale else "stubs are up to date")
            return 1 if stale else 0
        shutil.rmtree(STUBS, ignore_errors=True)
        shutil.copytree(fresh, STUBS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
