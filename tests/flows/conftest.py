"""Servers and collections for the flows."""

import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from scripts.stack.parts import PARTS
from soutu.client import Client, SoutuCallError
from tests.flows.elsewhere import Places, stack
from tests.flows.served import Served

_numbers = itertools.count(1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows, with a failure, what the servers of the test have logged."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Served):
                report.sections.append(("log of the server", value.log()))
    return report


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out, with --on-stack, what would run as it does without."""
    if config.getoption("--on-stack") is None:
        return
    placed = [item for item in items if item.get_closest_marker("placed")]
    config.hook.pytest_deselected(items=placed)
    items[:] = [item for item in items if item not in placed]


@pytest.fixture(scope="session")
def whole_stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """Places on the servers of the whole stack, for whoever needs them."""
    with _on_stack([*PARTS], request, tmp_path_factory) as places:
        yield places


@pytest.fixture(scope="session", autouse=True)
def elsewhere(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """With --on-stack the services of all flows stand on the servers of the stack."""
    parts = request.config.getoption("--on-stack")
    if parts is None:
        yield
    elif not parts:
        Served.elsewhere = request.getfixturevalue("whole_stack").of
        yield
    else:
        with _on_stack(parts.split(","), request, tmp_path_factory) as places:
            Served.elsewhere = places.of
            yield


@contextmanager
def _on_stack(
    names: Sequence[str], request: pytest.FixtureRequest, directories: pytest.TempPathFactory
) -> Iterator[Places]:
    others = [name for name in names if name != "milvus"]  # which a whole session has one of
    milvus = request.getfixturevalue("milvus").settings if "milvus" in names else {}
    with stack(others, directories.mktemp("stack"), milvus) as places:
        yield places


@pytest.fixture(scope="session")
def build_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory below which the shared server may read."""
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, build_root: Path) -> Iterator[Served]:
    """The server of all flows that leave it running."""
    with Served(tmp_path_factory.mktemp("server"), [build_root]) as served:
        yield served


@pytest.fixture
def client(server: Served) -> Client:
    """The client of the shared server."""
    return server.client


@pytest.fixture
def new_collection(server: Served) -> Iterator[Callable[[], str]]:
    """Makes empty collections on the shared server, and takes them away after the test."""
    with ExitStack() as stack:

        def make() -> str:
            name = f"c{next(_numbers)}"
            server.client.collections.create(name)
            stack.callback(_deleted, server.client, name)
            return name

        yield make


@pytest.fixture
def collection(new_collection: Callable[[], str]) -> str:
    """An empty collection on the shared server."""
    return new_collection()


@pytest.fixture
def lone_server(tmp_path: Path) -> Iterator[Served]:
    """A server for one test, which may kill it; it reads below tmp_path / "pictures"."""
    root = tmp_path / "pictures"
    root.mkdir()
    with Served(tmp_path / "server", [root]) as served:
        yield served


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "archive").mkdir()
    return tmp_path / "archive"


@pytest.fixture
def admin_server(tmp_path: Path, archive: Path) -> Iterator[Served]:
    """A server for one test, which keeps backups and exports in `archive`."""
    (tmp_path / "pictures").mkdir()
    settings = {"SOUTU_BACKUP_ROOTS": str(archive)}
    with Served(tmp_path / "server", [tmp_path / "pictures"], settings) as served:
        yield served


def _deleted(client: Client, name: str) -> None:
    with suppress(SoutuCallError):  # the test may have deleted it
        client.collections.delete(name, force=True)
