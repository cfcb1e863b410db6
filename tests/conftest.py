"""Rules for all tests: in CI, a test that is skipped has failed. And what a whole session shares."""

import os
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from scripts.stack.running import Running
    from tests.contract.milvus import TestedMilvus
    from tests.shared_out import TestsOfOneFile

# Reasons that CI accepts too; each with the cause that makes the test impossible there.
ALLOWED_SKIPS: frozenset[str] = frozenset({"a small disk can be mounted by root only"})


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=25, help="How often test_kills.py kills the server.")
    parser.addoption(
        "--fuzz-seconds", type=float, default=90, help="How long test_misuse.py tries messages at random."
    )
    parser.addoption(
        "--on-stack",
        nargs="?",
        const="",
        metavar="PART,...",
        help="Has the flows run on the stack, or on these parts of it; see scripts/stack.",
    )
    parser.addoption("--seed", type=int, default=0, help="The seed of whatever is drawn by lot; 0 draws one.")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> "TestsOfOneFile":
    """Where several processes share the tests."""
    from tests.shared_out import TestsOfOneFile

    return TestsOfOneFile(config, log)


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Running"]:
    """A real Redis. Who stops it lets it go on; what is in it is whoever's came before."""
    with _server("redis", tmp_path_factory) as running:
        yield running


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Running"]:
    """A real S3 server with one bucket."""
    with _server("s3", tmp_path_factory) as running:
        yield running


@pytest.fixture(scope="session")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Running"]:
    """A real Triton that has the models that ship. Who stops it lets it go on."""
    with _server("triton", tmp_path_factory) as running:
        yield running


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator["TestedMilvus"]:
    """A real Milvus, which takes ten seconds to start. It may be stopped, and started again."""
    from tests.contract.milvus import tested_milvus

    with tested_milvus(tmp_path_factory.mktemp("milvus")) as running:
        yield running


def _server(name: str, places: pytest.TempPathFactory) -> AbstractContextManager["Running"]:
    from tests.contract.servers import server  # for who wants it; tests of these rules use nothing else

    return server(name, places.mktemp(name))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") != "true" or not report.skipped:
        return
    reason = _reason(report)
    if reason not in ALLOWED_SKIPS:
        report.outcome = "failed"
        report.longrepr = f"Skipped, which CI does not accept: {reason}"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
