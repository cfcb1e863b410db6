"""Who may import whom: the first law of the architecture (docs/architecture.md)."""

import subprocess
import sys

import pytest

from tests.project.source import PACKAGE, Source, imports, package_sources

ANYTHING = frozenset({"*"})
_STORIES = frozenset({"search", "browse", "ingest", "collections", "operations"})
_INGEST = frozenset({"domain", "ports", "filters", "imaging", "texts", "observe", "operations"})

SERVICE = PACKAGE.parent

# What each part of the package may import of the package, besides itself.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "domain": frozenset(),
    "observe": frozenset(),
    "v1": frozenset(),
    "settings": frozenset({"domain"}),
    "ports": frozenset({"domain"}),
    "filters": frozenset({"domain"}),
    "imaging": frozenset({"domain", "observe.precedence"}),
    "texts": frozenset({"domain", "ports"}),
    "operations": frozenset({"domain", "ports", "observe"}),
    "search": frozenset({"domain", "ports", "filters", "imaging", "texts", "observe"}),
    "browse": frozenset({"domain", "ports", "filters", "imaging", "observe"}),
    "ingest": _INGEST,
    "collections": _INGEST | {"ingest"},
    "adapters": frozenset({"domain", "ports", "filters", "observe", "adapters.breaker", "adapters.durable"}),
    "rpc": frozenset({"v1", "domain", "ports", "observe"}) | _STORIES,
    "client": frozenset({"v1"}),
    "gateway": frozenset({"client", "v1", "settings", "observe"}),
    "models": frozenset({"domain", "ports", "imaging", "texts", "evaluation.metrics"}),
    "evaluation": frozenset({"domain", "ports", "imaging", "client"}),
    "learning": frozenset({"domain", "imaging", "models", "evaluation"}),
    "bootstrap": ANYTHING,
    "serving": ANYTHING,
    "workers": ANYTHING,
    "cli": ANYTHING,
    "__main__": frozenset({"cli"}),
    "": frozenset(),
}

# Libraries that stay behind one door.
ONLY_IN: dict[str, tuple[str, ...]] = {
    "torch": ("learning", "models.load", "models.export"),
    "sqlalchemy": ("adapters.catalog",),
    "alembic": ("adapters.catalog",),
    "qdrant_edge": ("adapters.vectors",),
    "pymilvus": ("adapters.vectors",),
    "obstore": ("adapters.objects",),
    "redis": ("adapters.cache",),
    "openvino": ("adapters.inference",),
    "tritonclient": ("adapters.inference",),
    "pydantic": ("settings", "gateway"),
    "structlog": ("observe",),
    "prometheus_client": ("observe",),
    "typer": ("cli",),
    "fastapi": ("gateway",),
    "h5py": ("adapters.exports",),
    "aiohttp": ("adapters.fetch",),
    "defusedxml": ("imaging",),
    "rawpy": ("imaging",),
    "lark": ("filters",),
    "tokenizers": ("texts", "models"),
}

# What the commands import only when they run, so that `soutu --help` is quick.
HEAVY = (
    "grpc",
    "numpy",
    "PIL",
    "onnxruntime",
    "openvino",
    "sqlalchemy",
    "soutu.bootstrap",
    "soutu.client",
    "soutu.rpc",
    "soutu.v1",
)


def part_of(module: str) -> str:
    """The part that a module belongs to; each family of adapters is a part of its own."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "adapters" else parts[0]


def within(module: str, place: str) -> bool:
    return module == place or module.startswith(f"{place}.")


def named(source: Source) -> str:
    return source.name


def test_every_part_has_its_law() -> None:
    parts = {part_of(source.module).split(".")[0] for source in package_sources()}
    assert parts <= MAY_IMPORT.keys()


@pytest.mark.parametrize("source", package_sources(), ids=named)
def test_a_part_imports_only_what_it_may(source: Source) -> None:
    part = part_of(source.module)
    allowed = MAY_IMPORT.get(part.split(".")[0], ANYTHING)
    ours = {name.removeprefix("soutu.") for name in imports(source) if name.startswith("soutu.")} - {
        "__version__"
    }
    refused = [
        name
        for name in ours
        if not any(within(name, place) for place in allowed | {part}) and allowed != ANYTHING
    ]
    assert not refused, f"{part} may not import these: see MAY_IMPORT"


@pytest.mark.parametrize("source", package_sources(), ids=named)
def test_a_library_stays_behind_its_door(source: Source) -> None:
    refused = [
        name
        for name in imports(source)
        for library, places in ONLY_IN.items()
        if within(name, library) and not any(within(source.module, place) for place in places)
    ]
    assert not refused, "only the places in ONLY_IN may import these"


def test_the_domain_needs_nothing_but_the_standard_library_and_numpy() -> None:
    allowed = sys.stdlib_module_names | {"numpy", "soutu"}
    domain = [source for source in package_sources() if part_of(source.module) == "domain"]
    assert {name.split(".")[0] for source in domain for name in imports(source)} <= allowed


def test_the_command_line_loads_what_is_heavy_only_when_it_runs() -> None:
    script = "import sys, soutu.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=SERVICE, capture_output=True, text=True, check=True
    )
    assert set(loaded.stdout.split()) & set(HEAVY) == set()
