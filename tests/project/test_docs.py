"""What the documents name exists: files, commands, verbs, settings, reasons, calls and fields."""

import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import typer

from soutu.cli.app import app
from soutu.domain.errors import Reason, Status
from soutu.rpc.admin import AdminServicer
from soutu.rpc.collections import CollectionServicer
from soutu.rpc.images import ImageServicer
from soutu.rpc.models import ModelServicer
from soutu.rpc.operations import OperationServicer
from soutu.rpc.searching import SearchServicer
from soutu.rpc.unimplemented import FIELDS
from soutu.settings import known_keys
from tests.project.source import ROOT

DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "bench" / "README.md",
    *sorted(DOCS.rglob("*.md")),
]
SERVICERS: tuple[type, ...] = (
    SearchServicer,
    ImageServicer,
    CollectionServicer,
    ModelServicer,
    AdminServicer,
    OperationServicer,
)
# In capitals and with an underscore like a reason, but a value of one of the contract's enums and the like.
NOT_REASONS = re.compile(
    r"SOUTU_|XDG_|ONLY_IN$|NOT_SERVING$|OMP_NUM_THREADS$|GLIBC_TUNABLES$"
    r"|(ON_CONFLICT|ON_DUPLICATE|VARIANT|KEEPING|STATE|INDEX_TYPE|ATTRIBUTE_TYPE|FORMAT|MODEL_TASK|METHOD)_"
)

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_CAPITALS = re.compile(r"\b[A-Z]+(?:_[A-Z0-9]+)+\b")


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def code_of(page: Path) -> Iterator[str]:
    """What a page shows as code: every line of its blocks, and the spans in its sentences."""
    text = page.read_text("utf-8")
    for block in _FENCE.findall(text):
        yield from block.splitlines()[1:-1]
    yield from _CODE.findall(_FENCE.sub("", text))


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get on GitHub."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_command(words: list[str]) -> bool:
    """Whether what follows `soutu` begins with a command, and its subcommand where it has some."""
    known = subcommands(typer.main.get_command(app)).get(words[0])
    below = subcommands(known)
    return known is not None and (not below or len(words) < 2 or words[1].split("|")[0] in below)


def subcommands(command: object) -> Mapping[str, object]:
    """The commands of a group, by name; none of a command that is no group."""
    found: Mapping[str, object] = getattr(command, "commands", {})
    return found


def words_after_soutu(line: str) -> list[str] | None:
    """The words of a command line of ours, less the options that come before the command."""
    found = re.match(r"(?:[A-Z_]+=\S+ )*soutu ((?:-v |--\S+ \S+ )*)([a-z].*)", line)
    return found[2].split() if found else None


def test_there_are_documents() -> None:
    assert {"README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/api.md"} <= {
        named(page) for page in PAGES
    }


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    lost = []
    for link in _LINK.findall(page.read_text("utf-8")):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" in link:
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_exists(page: Path) -> None:
    lines = [words for line in code_of(page) if (words := words_after_soutu(line))]
    assert [" ".join(words) for words in lines if not is_command(words)] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_verb_exists(page: Path) -> None:
    verbs = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    asked = [found[1] for line in code_of(page) if (found := re.match(r"make ([a-z-]+)", line))]
    assert [verb for verb in asked if verb not in verbs] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_setting_exists(page: Path) -> None:
    """Spans such as `index.backlog`; a file such as `catalog.db` is told by its ending."""
    sections = {key.partition(".")[0] for key in known_keys() if "." in key}
    spans = _CODE.findall(_FENCE.sub("", page.read_text("utf-8")))
    keys = [span for span in spans if re.fullmatch(rf"({'|'.join(sections)})\.[a-z_]+", span)]
    variables = re.findall(r"\bSOUTU_[A-Z_]+\b", page.read_text("utf-8"))
    known = {key.variable for key in known_keys().values()} | {"SOUTU_CONFIG", "SOUTU_"}
    wrong = [key for key in keys if key not in known_keys() and not key.endswith((".py", ".db", ".json"))]
    assert wrong + [variable for variable in variables if variable not in known] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_reason_exists(page: Path) -> None:
    spans = _CODE.findall(_FENCE.sub("", page.read_text("utf-8")))
    codes = [code for span in spans for code in _CAPITALS.findall(span)]
    known = Reason.__members__.keys() | Status.__members__.keys()
    assert [code for code in codes if code not in known and not NOT_REASONS.match(code)] == []


def unimplemented_calls() -> set[str]:
    """Methods that a servicer leaves to the generated base class."""
    return {
        name
        for servicer in SERVICERS
        for name in vars(servicer.__mro__[1])
        if name[0].isupper() and name not in vars(servicer)
    }


def refused_calls() -> set[str]:
    """Methods that a servicer has only to say why it does not do them."""
    return {
        name
        for servicer in SERVICERS
        for name, method in vars(servicer).items()
        if name[0].isupper()
        and "return" not in inspect.getsource(method)
        and "yield" not in inspect.getsource(method)
    }


def test_what_is_not_implemented_is_listed() -> None:
    """The table at the end of docs/api.md is what the servicers lack: change it with them."""
    _, _, table = (DOCS / "api.md").read_text("utf-8").partition("## Not implemented yet")
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    calls = {name for row in rows if row.startswith("| calls") for name in _CODE.findall(row)}
    fields = {name for row in rows if not row.startswith("| calls") for name in _CODE.findall(row)}
    assert calls == unimplemented_calls() | refused_calls()
    assert {f"soutu.v1.{name}" for name in fields} == FIELDS


def test_decisions_are_numbered_and_have_their_parts() -> None:
    pages = sorted((DOCS / "decisions").glob("*.md"))
    assert [page.name[:5] for page in pages] == [f"{number:04}-" for number in range(1, len(pages) + 1)]
    parts = [re.findall(r"^## (.+)$", page.read_text("utf-8"), re.MULTILINE) for page in pages]
    assert [part for part in parts if part != ["Context", "Decision", "Consequences"]] == []
