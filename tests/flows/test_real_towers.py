"""Real architectures of two towers, from weights to an answer: exported, added, built with and searched."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from soutu.client import Client, Text
from soutu.v1.search_pb2 import SearchResponse
from tests.flows.cli import soutu
from tests.flows.served import Served

if TYPE_CHECKING:
    from tests.flows.small_towers import Towers

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # of PyTorch

CLOSE = 1e-3
COUNT = 24
MODELS = ("clipmodel", "siglipmodel")
TEXTS = (
    "a photo of a red cat",
    "blue",
    "A DOG in the snow",
    "an unknown thing",
    "the snow " * 20,
)


@dataclass(frozen=True, slots=True)
class Scene:
    """A server that has both models, each with a collection of its own name, and what they are to answer."""

    served: Served
    pixels: NDArray[np.uint8]
    towers: "dict[str, Towers]"

    @property
    def client(self) -> Client:
        return self.served.client


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    from tests.flows import small_towers

    place = tmp_path_factory.mktemp("towers")
    made: dict[str, Callable[[Path], Towers]] = {
        "clipmodel": small_towers.clip,
        "siglipmodel": small_towers.siglip,
    }
    served = Served(place, [place / "pictures"])
    towers = {}
    for name, make in made.items():
        (place / name).mkdir()
        towers[name] = make(place / name)
        exported = place / name / "exported"
        paths = str(towers[name].entry), "--weights", str(towers[name].weights), "--to", str(exported)
        assert "texts" in soutu("models", "export", *paths)
        soutu("--data-dir", str(served.data_dir), "models", "add", str(exported))
    pixels = drawn(place / "pictures")
    with served:
        for name in MODELS:
            served.client.collections.create(name, model=f"models/{name}")
            assert served.client.collections.build(name, place / "pictures").wait().added == COUNT
        yield Scene(served, pixels, towers)


def drawn(folder: Path) -> NDArray[np.uint8]:
    """Pictures of the very size that the models take, so that nothing is resized: uint8 (n, 32, 32, 3)."""
    folder.mkdir()
    random = np.random.default_rng(3)
    coarse = random.integers(0, 256, (COUNT, 4, 4, 3), np.uint8)
    pixels = coarse.repeat(8, axis=1).repeat(8, axis=2)
    for place, picture in enumerate(pixels):
        (folder / f"{place:02}.png").write_bytes(png(picture))
    return np.asarray(pixels, np.uint8)


def png(picture: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def by_place(answer: SearchResponse, value: str = "score") -> NDArray[np.float64]:
    """The scores, or chances, of all pictures in the order of their files."""
    values = {int(match.image.origin.path[:2]): getattr(match, value) for match in answer.matches}
    return np.array([values[place] for place in range(COUNT)])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_finds_what_transformers_finds(scene: Scene, name: str, text: str) -> None:
    answer = scene.client.search(name, Text(text), page_size=COUNT)
    expected = scene.towers[name].cosines(scene.pixels, text)

    np.testing.assert_allclose(by_place(answer), expected, rtol=0, atol=CLOSE)
    assert np.ptp(expected) > 0.1  # or it would not matter what is found
    assert [match.score for match in answer.matches] == sorted(by_place(answer), reverse=True)
    assert bool(answer.report.degraded) == (text == TEXTS[-1])


@pytest.mark.parametrize("name", MODELS)
def test_texts_differ(scene: Scene, name: str) -> None:
    """Else the texts' test would hold for a tower that does not read."""
    expected = [scene.towers[name].cosines(scene.pixels, text) for text in TEXTS]
    assert all(np.abs(one - other).max() > 10 * CLOSE for one, other in pairwise(expected))


@pytest.mark.parametrize("name", MODELS)
def test_a_picture_finds_what_transformers_finds(scene: Scene, name: str) -> None:
    for place in (0, 7):
        answer = scene.client.search(name, png(scene.pixels[place]), page_size=COUNT)
        expected = scene.towers[name].alike(scene.pixels, place)
        np.testing.assert_allclose(by_place(answer), expected, rtol=0, atol=CLOSE)
        assert answer.matches[0].image.origin.path == f"{place:02}.png"


def test_siglip_tells_chances_and_clip_does_not(scene: Scene) -> None:
    for text in TEXTS:
        judged = scene.client.search("siglipmodel", Text(text), page_size=COUNT)
        expected = scene.towers["siglipmodel"].chances(scene.pixels, text)
        np.testing.assert_allclose(by_place(judged, "probability"), expected, rtol=0, atol=2 * CLOSE)
        assert np.ptp(expected) > 0.05
    unjudged = scene.client.search("clipmodel", Text(TEXTS[0]))
    assert not any(match.HasField("probability") for match in unjudged.matches)
