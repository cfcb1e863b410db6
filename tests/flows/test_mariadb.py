"""A service whose catalogue is on a real MariaDB, which is stopped, started, and cuts connections off."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from scripts.stack.running import Running, ended, launched
from soutu.client import SoutuCallError
from tests.contract.databases import connected, emptied
from tests.contract.servers import server
from tests.flows import pictures
from tests.flows.served import Served, until

pytestmark = pytest.mark.placed
URL = "SOUTU_CATALOG_URL"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the data of a MariaDB."""
    place = tmp_path_factory.mktemp("mariadb")
    with server("mariadb", place):
        pass
    return place


@pytest.fixture
def mariadb(place: Path) -> Iterator[Running]:
    with server("mariadb", place) as running:
        emptied(running.settings[URL])
        yield running


@pytest.fixture
def served(mariadb: Running, tmp_path: Path) -> Iterator[Served]:
    settings = {**mariadb.settings, "SOUTU_CATALOG_WAIT_S": "2", "SOUTU_BACKUP_ROOTS": str(tmp_path)}
    with Served(tmp_path / "server", settings=settings) as served:
        served.client.collections.create("c")
        for number in range(4):
            served.client.images.upload(
                "c",
                pictures.jpeg(number),
                image_id=f"i{number}",
                title=f"picture {number}",
                category="even" if number % 2 == 0 else "odd",
            )
        yield served


def found(served: Served, number: int, filter_: str = "") -> list[str]:
    answer = served.client.search("c", pictures.jpeg(number), filter=filter_)
    return [match.image.name.rpartition("/")[2] for match in answer.matches]


def outcome(served: Served) -> str:
    try:
        return f"found {len(found(served, 1))}"
    except SoutuCallError as error:
        return error.reason


def test_what_is_uploaded_is_found_also_after_a_restart(served: Served) -> None:
    assert not (served.data_dir / "catalog.db").exists()
    for turn in range(2):
        assert found(served, 1)[0] == "i1"
        assert sorted(found(served, 1, 'category = "even"')) == ["i0", "i2"]
        assert sorted(found(served, 1, 'title:"3" OR name = "i0"')) == ["i0", "i3"]
        assert served.client.images.count("c", filter='category = "odd"') == 2
        if turn == 0:
            served.kill()
            served.restart()
            assert until(lambda: outcome(served) == "found 4")
    served.client.images.delete("i1", collection="c")
    assert "i1" not in found(served, 1)
    parts = {part.part: part.detail for part in served.client.status().parts}
    assert "MariaDB" in parts["catalog"]


def test_a_backup_is_refused_and_a_purge_works(served: Served, tmp_path: Path) -> None:
    with pytest.raises(SoutuCallError) as refused:
        served.client.admin.backup(tmp_path / "backup")
    assert (refused.value.status, refused.value.reason) == ("FAILED_PRECONDITION", "BACKUP_UNSUPPORTED")
    assert served.client.admin.purge("c", ["i1"]).wait(30).image_count == 1
    assert found(served, 1)[0] != "i1"


def test_a_server_that_is_gone_makes_calls_unavailable_until_it_is_back(
    served: Served, mariadb: Running, place: Path
) -> None:
    ended(mariadb)
    with pytest.raises(SoutuCallError) as failure:
        served.client.images.upload("c", pictures.jpeg(9), image_id="i9")
    assert (failure.value.status, failure.value.reason) == ("UNAVAILABLE", "CATALOG_UNAVAILABLE")
    assert outcome(served) == "CATALOG_UNAVAILABLE"
    again = launched("mariadb", place)
    try:
        assert again.settings == mariadb.settings
        assert until(lambda: outcome(served) == "found 4")
        served.client.images.upload("c", pictures.jpeg(9), image_id="i9")
        assert found(served, 9)[0] == "i9"
    finally:
        served.stop()
        ended(again)


def test_a_server_that_stands_still_is_waited_for_and_no_longer(served: Served, mariadb: Running) -> None:
    os.kill(mariadb.pid, signal.SIGSTOP)
    try:
        assert outcome(served) == "CATALOG_UNAVAILABLE"
    finally:
        os.kill(mariadb.pid, signal.SIGCONT)
    assert until(lambda: outcome(served) == "found 4")


def test_connections_that_are_killed_cost_no_call(served: Served, mariadb: Running) -> None:
    for number in range(5):
        with connected(mariadb.settings[URL]) as connection:
            ours = connection.execute(text("SELECT CONNECTION_ID()")).scalar()
            others = [row[0] for row in connection.execute(text("SHOW PROCESSLIST")) if row[0] != ours]
            assert others
            for other in others:
                connection.execute(text("KILL :n"), {"n": other})
        assert outcome(served).startswith("found")
        served.client.images.upload("c", pictures.jpeg(10 + number), image_id=f"n{number}")
    assert served.client.images.count("c") == 9


def test_a_second_server_with_an_index_of_its_own_is_refused_while_the_first_one_lives(
    served: Served, mariadb: Running, tmp_path: Path
) -> None:
    other = Served(tmp_path / "other", settings=mariadb.settings)
    with pytest.raises(AssertionError, match="Another server uses the catalogue"):
        other.start()
    other.end()
    assert outcome(served) == "found 4"
    served.stop()
    with other:
        assert until(lambda: outcome(other) == "found 4")  # its index was filled from the catalogue
    other.check_log()
