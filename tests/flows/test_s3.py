"""A service whose originals lie in a real S3 server, which goes away and comes back."""

from pathlib import Path

import pytest

from scripts.stack.running import ended, launched
from soutu.client import SoutuCallError
from tests.contract.servers import server
from tests.flows import pictures
from tests.flows.served import Served

pytestmark = pytest.mark.placed


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with the data of an S3 server."""
    with server("s3", tmp_path / "s3"):
        pass
    return tmp_path / "s3"


def test_originals_are_kept_read_and_removed_there(place: Path, tmp_path: Path) -> None:
    with server("s3", place) as s3, Served(tmp_path, settings=s3.settings) as served:
        served.client.collections.create("c")
        served.client.images.upload("c", pictures.jpeg(1), image_id="i1")
        copy = tmp_path / "copy.jpg"
        served.client.images.download("i1", copy, collection="c")
        assert copy.read_bytes() == pictures.jpeg(1)
        assert served.client.images.thumbnail("i1", collection="c")
        assert any(path.read_bytes() == pictures.jpeg(1) for path in stored(place))
        assert not (served.data_dir / "objects").exists()
        assert served.client.admin.purge("c", ["i1"]).wait(30).content_count == 1
        assert stored(place) == []


def test_while_it_is_gone_searches_go_on_and_uploads_are_refused(place: Path, tmp_path: Path) -> None:
    first = launched("s3", place)
    try:
        with Served(tmp_path, settings=first.settings) as served:
            served.client.collections.create("c")
            served.client.images.upload("c", pictures.jpeg(1), image_id="i1")
            ended(first)
            assert served.client.search("c", pictures.jpeg(1)).matches[0].image.name.endswith("/i1")
            with pytest.raises(SoutuCallError) as failure:
                served.client.images.upload("c", pictures.jpeg(2))
            assert (failure.value.status, failure.value.reason) == ("UNAVAILABLE", "OBJECTS_UNAVAILABLE")
            assert served.client.images.count("c") == 1
    finally:
        ended(first)


def stored(place: Path) -> list[Path]:
    return [path for path in (place / "data").rglob("*") if path.is_file() and path.stat().st_size > 100]
