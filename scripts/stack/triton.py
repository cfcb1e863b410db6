"""Triton out of its wheel: a backend directory put together, and the libraries found."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from subprocess import check_output

# To glibc 2.35 and newer; elsewhere it says nothing.
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def triton_program(environment: Path, place: Path) -> tuple[Path, Path]:
    """The server, and the directory of its backends, which is laid out in `place`."""
    packaged = _packages(environment) / "pytriton" / "tritonserver"
    backends = place / "backends"
    if not backends.exists():
        part = place / "backends.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(packaged / "backends", part)
        stub = packaged / "python_backend_stubs" / _version(environment) / "triton_python_backend_stub"
        shutil.copy2(stub, part / "python")
        part.rename(backends)
    return packaged / "bin" / "tritonserver", backends


def triton_environment(environment: Path) -> Mapping[str, str]:
    """What the server needs in its environment: the wheel's libraries, the interpreter's, and its Python; and
    huge pages for what malloc gives, on which models run with less of a core (docs/operating.md)."""
    library = _said(environment, "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))")
    return {
        "LD_LIBRARY_PATH": f"{_packages(environment) / 'nvidia_pytriton.libs'}:{library}",
        "PATH": f"{environment / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        **HUGE_PAGES,
    }


def _packages(environment: Path) -> Path:
    return environment / "lib" / f"python{_version(environment)}" / "site-packages"


def _version(environment: Path) -> str:
    """Such as "3.11"."""
    return _said(environment, "import sys; print('%d.%d' % sys.version_info[:2])")


def _said(environment: Path, script: str) -> str:
    """What the environment's own interpreter prints, which need not be the one that runs this."""
    return check_output([environment / "bin" / "python", "-c", script], text=True).strip()
