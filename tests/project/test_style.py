"""The measurable part of the house's style (CONTRIBUTING.md)."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.project.source import ROOT, Source, all_sources

LONGEST_FILE = 400
LONGEST_FUNCTION = 60
EMPTY_WORDS = {"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc"}
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def named(source: Source) -> str:
    return source.name


def functions(source: Source) -> Iterator[Function]:
    return (node for node in ast.walk(source.tree) if isinstance(node, Function))


def length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def words(name: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(name)}


@pytest.mark.parametrize("source", all_sources(), ids=named)
def test_files_and_functions_are_short(source: Source) -> None:
    assert source.lines <= LONGEST_FILE
    assert {
        function.name: length(function)
        for function in functions(source)
        if length(function) > LONGEST_FUNCTION
    } == {}


@pytest.mark.parametrize("source", all_sources(), ids=named)
def test_names_say_something(source: Source) -> None:
    nodes = [node for node in ast.walk(source.tree) if isinstance(node, Function | ast.ClassDef)]
    defined = [node.name for node in nodes if not node.name.startswith("test_")]  # those are sentences
    places = source.path.relative_to(ROOT).with_suffix("").parts
    assert not [name for name in [*defined, *places] if words(name) & EMPTY_WORDS]


def test_most_functions_are_very_short() -> None:
    lengths = [length(function) for source in all_sources() for function in functions(source)]
    assert sum(each <= 30 for each in lengths) >= 0.9 * len(lengths)


def test_nothing_is_left_unfinished() -> None:
    places = ["service", "scripts", "tests", "bench", "protos/soutu", "docs"]
    files = [
        file
        for place in places
        for file in (ROOT / place).rglob("*")
        if file.suffix in (".py", ".proto", ".md")
    ]
    assert files
    assert [file.name for file in files if UNFINISHED.search(file.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    "source", [each for each in all_sources() if each.path.name.startswith("test_")], ids=named
)
def test_every_test_asserts(source: Source) -> None:
    tests = [function for function in functions(source) if function.name.startswith("test_")]
    asserting = asserting_functions()
    assert [test.name for test in tests if not asserts(test, asserting)] == []


@cache
def asserting_functions() -> frozenset[str]:
    """The names of those that tests call to assert for them."""
    own = [source for source in all_sources() if source.name.startswith("tests/")]
    return frozenset(each.name for source in own for each in functions(source) if asserts(each, frozenset()))


def asserts(function: Function, asserting: frozenset[str]) -> bool:
    """Whether it asserts, expects an error, or calls one that does."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call) and called(node) in asserting | {
            "raises",
            "fail",
            "run_state_machine_as_test",
        }:
            return True
        if isinstance(node, ast.Call) and called(node).startswith("assert_"):
            return True
    return False


def called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""
