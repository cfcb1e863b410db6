"""Writes the reference pages that come from the code, or with --check fails if what is committed differs."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
_MIB = 1024 * 1024
_GIB = 1024 * _MIB

_ERRORS = """\
# Errors

Written from `service/soutu/domain/errors.py` by `make docs`.

Every error that the service answers with carries a `google.rpc.ErrorInfo` whose `domain` is `soutu` and
whose `reason` is one of the codes below. Codes are stable: they are added, never renamed or given another
status. The status's message is a sentence for people; `metadata` holds short facts for programs (`field`,
`limit`, `image`, `scope`).

"""

_ERRORS_END = """
gRPC's own core answers some calls before the service sees them; these carry no `ErrorInfo`:

| Status | When |
|---|---|
| RESOURCE_EXHAUSTED | The message is larger than `server.message_bytes`, or its metadata than 16 KiB. |
| RESOURCE_EXHAUSTED | 2,000 calls are under way. |
| UNIMPLEMENTED | The service or method does not exist, or the message is packed (gzip, deflate). |
| DEADLINE_EXCEEDED | The deadline passed before the call reached the service. |
| CANCELLED | The client gave up. |
| UNAVAILABLE | The server cannot be reached. |
"""

_CONFIGURATION = """\
# Configuration

Written from `service/soutu/settings/schema.py` by `make docs`.

Settings are read once, at the start. Each source overrules those before it:

1. the defaults below;
2. a TOML file: the one named by `--config`, else by `SOUTU_CONFIG`, else `./soutu.toml`, else
   `$XDG_CONFIG_HOME/soutu/soutu.toml`;
3. the environment, by the variables below; the variable with `_FILE` behind it names a file that holds the
   value, as mounted secrets do;
4. the command line's options.

`soutu config` prints every setting in force and where it came from, without passwords. A key or `SOUTU_`
variable that is not listed here is refused by name. A variable that holds several paths separates them as
`PATH` does. Relative paths start at the working directory. Names that end in `_s`, and `decode.seconds`, are
seconds; those that end in `_bytes` are bytes. Where `XDG_DATA_HOME` is set, `data_dir` is `soutu` below it.

```toml
build_roots = ["/home/me/pictures"]

[server]
port = 50051
```

"""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [list(head), ["---"] * len(head), *rows]
    return "".join(
        "|" + "|".join(f" {cell} " if cell != "---" else cell for cell in line) + "|\n" for line in lines
    )


def errors_page() -> str:
    """docs/errors.md."""
    from soutu.domain.errors import Reason

    rows = [(f"`{reason.name}`", str(reason.status), reason.meaning) for reason in Reason]
    return _ERRORS + table(["Reason", "Status", "Meaning"], rows) + _ERRORS_END


def configuration_page() -> str:
    """docs/configuration.md."""
    from soutu.settings import known_keys

    rows = [
        (f"`{key.name}`", f"`{key.variable}`", shown_default(key.name, key.default), key.description)
        for key in known_keys().values()
    ]
    return _CONFIGURATION + table(["Key", "Variable", "Default", "Meaning"], rows)


def shown_default(name: str, value: object) -> str:
    """A default as a reader would write it in the file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and name.endswith("_bytes"):
        return f"{value} ({_size(value)})"
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return f"`{os.pathsep.join(map(str, value))}`" if value else "none"
    if isinstance(value, str | Path):
        return f"`{value}`" if str(value) else "empty"
    return str(value)


def _size(size_bytes: int) -> str:
    return f"{size_bytes // _GIB} GiB" if size_bytes % _GIB == 0 else f"{size_bytes // _MIB} MiB"


PAGES: Mapping[str, Callable[[], str]] = {"errors.md": errors_page, "configuration.md": configuration_page}


def stale() -> list[str]:
    """Names of the pages that are not what the code says."""
    return [name for name, page in PAGES.items() if _committed(name) != page()]


def _committed(name: str) -> str:
    path = DOCS / name
    return path.read_text("utf-8") if path.exists() else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare with what is committed")
    names = stale()
    if parser.parse_args().check:
        print(f"stale pages, run `make docs`: {', '.join(names)}" if names else "pages are up to date")
        return 1 if names else 0
    for name in names:
        (DOCS / name).write_text(PAGES[name](), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
