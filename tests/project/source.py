"""The project's Python files, parsed, for the tests of this folder."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "service" / "soutu"
STUBS = PACKAGE / "v1"


@dataclass(frozen=True, slots=True)
class Source:
    """One file: `name` is its path from the root of the project."""

    path: Path
    tree: ast.Module
    lines: int

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def module(self) -> str:
        """The dotted name below soutu of a file of the package; "" for soutu/__init__.py."""
        parts = self.path.relative_to(PACKAGE).with_suffix("").parts
        return ".".join(part for part in parts if part != "__init__")


@cache
def _parsed(path: Path) -> Source:
    text = path.read_text("utf-8")
    return Source(path=path, tree=ast.parse(text), lines=text.count("\n"))


def package_sources() -> list[Source]:
    """Our own files of the package; the generated ones left out."""
    return [_parsed(path) for path in sorted(PACKAGE.rglob("*.py")) if STUBS not in path.parents]


def all_sources() -> list[Source]:
    """Every Python file that people write."""
    others = [
        path for place in ("scripts", "tests", "bench") for path in sorted((ROOT / place).rglob("*.py"))
    ]
    return package_sources() + [_parsed(path) for path in others]


def imports(source: Source) -> Iterator[str]:
    """The dotted names that a file imports, wherever in it."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(source, node)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _absolute(source: Source, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = source.path.parent.relative_to(PACKAGE.parent).parts
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)
