"""What every Embedder keeps. Each adapter joins by a branch of the fixture."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest

from scripts import triton_repository
from scripts.stack.running import Running
from soutu.adapters.inference.onnx import OnnxEmbedder
from soutu.adapters.inference.openvino import OpenVino
from soutu.adapters.inference.triton import TritonEmbedder
from soutu.domain.embedding import all_units
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import ModelRef, Task
from soutu.ports import Embedder
from tests.contract.embedders import FIRST, bundled_models, random_pixels, write_model
from tests.contract.servers import server
from tests.contract.towers import CONTEXT, TWO_TOWERS, WORDS, write_two_towers
from tests.unit.models.local.toys import corner_finder, written

SIDE, DIMENSION = 128, 595
PLACES = {word: place for place, word in enumerate(WORDS)}


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A real Triton with the model of two towers, too."""
    place = tmp_path_factory.mktemp("triton")
    write_two_towers(place / "models" / TWO_TOWERS.name / TWO_TOWERS.version)
    repository, models = str(place / "model_repository"), str(place / "models")
    triton_repository.main([repository, "--models", models, "--backend", "python", "--instances", "1"])
    with server("triton", place) as running:
        yield running


@pytest.fixture(params=["onnx", "openvino", pytest.param("triton", marks=pytest.mark.slow)])
async def embedder(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Embedder]:
    write_two_towers(tmp_path / TWO_TOWERS.name / TWO_TOWERS.version)
    models = bundled_models(tmp_path)
    adapter: Embedder
    if request.param == "onnx":
        adapter = OnnxEmbedder(models, threads=2)
    elif request.param == "openvino":
        adapter = OnnxEmbedder(models, threads=2, engine=OpenVino(threads=2))
    else:
        running: Running = request.getfixturevalue("triton")
        adapter = TritonEmbedder.connected(running.settings["SOUTU_INFERENCE_URL"], models, wait_s=10)
    yield adapter
    await adapter.close()


async def test_pictures_become_unit_vectors(embedder: Embedder) -> None:
    vectors = await embedder.embed(FIRST, random_pixels(3, SIDE))

    assert vectors.shape == (3, DIMENSION)
    assert vectors.dtype == np.float32
    assert all_units(vectors)


async def test_it_says_that_it_answers(embedder: Embedder) -> None:
    await embedder.ping()
    assert len(await embedder.embed(FIRST, random_pixels(1, SIDE))) == 1


@pytest.mark.parametrize("count", [1, 2, 5, 17])
async def test_a_batch_answers_as_its_pictures_alone(embedder: Embedder, count: int) -> None:
    pixels = random_pixels(count, SIDE)

    together = await embedder.embed(FIRST, pixels)
    alone = [await embedder.embed(FIRST, pixels[place : place + 1]) for place in range(count)]

    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-5)


async def test_no_pictures_have_no_vectors(embedder: Embedder) -> None:
    assert (await embedder.embed(FIRST, random_pixels(0, SIDE))).shape == (0, DIMENSION)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (1, 0, 0)])
async def test_a_picture_of_one_colour_has_a_direction(
    embedder: Embedder, colour: tuple[int, int, int]
) -> None:
    pixels = np.full((1, SIDE, SIDE, 3), colour, np.uint8)

    assert all_units(await embedder.embed(FIRST, pixels))


async def test_pixels_need_not_be_contiguous_and_are_left_alone(embedder: Embedder) -> None:
    pixels = random_pixels(2, SIDE)
    before = pixels.copy()

    mirrored = await embedder.embed(FIRST, pixels[:, :, ::-1])

    expected = await embedder.embed(FIRST, np.ascontiguousarray(pixels[:, :, ::-1]))
    np.testing.assert_allclose(mirrored, expected, atol=1e-6)
    np.testing.assert_array_equal(pixels, before)


async def test_calls_side_by_side_do_not_mix(embedder: Embedder) -> None:
    batches = [random_pixels(3, SIDE, seed) for seed in range(8)]

    together = await asyncio.gather(*(embedder.embed(FIRST, batch) for batch in batches))

    for vectors, batch in zip(together, batches, strict=True):
        np.testing.assert_allclose(vectors, await embedder.embed(FIRST, batch), atol=1e-5)


async def test_an_unknown_model_is_not_found(embedder: Embedder) -> None:
    with pytest.raises(SoutuError, match="gradient-color@1") as error:
        await embedder.embed(ModelRef("gradient-color", "999"), random_pixels(1, SIDE))

    assert error.value.reason is Reason.MODEL_NOT_FOUND


async def test_a_model_that_does_not_load_is_unavailable(embedder: Embedder, tmp_path: Path) -> None:
    card = write_model(tmp_path, "rubbish", b"not a model at all")

    with pytest.raises(SoutuError, match="rubbish@1") as error:
        await embedder.embed(card.ref, random_pixels(1, card.input.width))

    assert error.value.reason is Reason.INFERENCE_UNAVAILABLE
    assert error.value.__cause__ is not None


async def test_local_features_are_no_embedding(embedder: Embedder, tmp_path: Path) -> None:
    _, card = written(tmp_path / "corners" / "1", Task.LOCAL_FEATURES, corner_finder())
    pixels = random_pixels(1, card.input.width)
    for call in (lambda: embedder.embed(card.ref, pixels), lambda: embedder.load(card.ref)):
        with pytest.raises(SoutuError, match="corners@1 is for local-features") as error:
            await call()
        assert error.value.reason is Reason.MODEL_NOT_EMBEDDING
    assert card.ref not in await embedder.loaded()


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, SIDE, SIDE, 3), np.float32),
        np.zeros((SIDE, SIDE, 3), np.uint8),
        np.zeros((1, 3, SIDE, SIDE), np.uint8),
        np.zeros((1, SIDE, SIDE + 1, 3), np.uint8),
    ],
    ids=["float", "no batch", "planes", "size"],
)
async def test_other_pixels_are_the_callers_fault(embedder: Embedder, pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="takes uint8"):
        await embedder.embed(FIRST, pixels)


async def test_a_cancelled_call_leaves_the_others_alone(embedder: Embedder) -> None:
    pixels = random_pixels(9, SIDE)
    given_up = asyncio.create_task(embedder.embed(FIRST, pixels))
    kept = asyncio.create_task(embedder.embed(FIRST, pixels))
    await asyncio.sleep(0)
    given_up.cancel()

    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert all_units(await kept)
    assert all_units(await embedder.embed(FIRST, pixels))


async def test_a_closed_embedder_says_so(embedder: Embedder) -> None:
    await embedder.embed(FIRST, random_pixels(1, SIDE))
    await embedder.close()

    with pytest.raises(SoutuError) as error:
        await embedder.embed(FIRST, random_pixels(1, SIDE))

    assert error.value.reason is Reason.SHUTTING_DOWN


async def test_a_model_is_loaded_unloaded_and_loaded_again_when_it_is_used(embedder: Embedder) -> None:
    await embedder.load(FIRST)
    assert FIRST in await embedder.loaded()
    await embedder.ping()
    await embedder.unload(FIRST)
    assert FIRST not in await embedder.loaded()
    await embedder.unload(FIRST)
    assert all_units(await embedder.embed(FIRST, random_pixels(1, SIDE)))
    assert FIRST in await embedder.loaded()


async def test_only_a_model_that_there_is_can_be_loaded(embedder: Embedder) -> None:
    with pytest.raises(SoutuError) as failure:
        await embedder.load(ModelRef("nobody", "1"))
    assert failure.value.reason is Reason.MODEL_NOT_FOUND


def tokens_of(*texts: str) -> np.ndarray:
    """The tokens of texts whose words the model knows, int64 (n, context)."""
    rows = [[PLACES[word] for word in text.split()] for text in texts]
    return np.array([row + [0] * (CONTEXT - len(row)) for row in rows], np.int64).reshape(-1, CONTEXT)


def plain(colour: tuple[int, int, int]) -> np.ndarray:
    """A picture of one colour, for the model of two towers."""
    return np.full((1, 16, 16, 3), colour, np.uint8)


async def test_texts_lie_where_pictures_of_what_they_say_lie(embedder: Embedder) -> None:
    words = await embedder.embed_texts(TWO_TOWERS, tokens_of("a red picture", "green", "the photo of blue"))
    colours = [(230, 20, 20), (20, 230, 20), (20, 20, 230)]
    pictures = np.concatenate([await embedder.embed(TWO_TOWERS, plain(colour)) for colour in colours])

    assert words.dtype == np.float32
    assert all_units(words)
    assert (words @ pictures.T).argmax(axis=1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("count", [1, 2, 5, 40])
async def test_a_batch_of_texts_answers_as_they_do_alone(embedder: Embedder, count: int) -> None:
    words = list(WORDS)[2:]
    tokens = tokens_of(*(f"{words[each % len(words)]} red" for each in range(count)))

    together = await embedder.embed_texts(TWO_TOWERS, tokens)
    alone = [await embedder.embed_texts(TWO_TOWERS, tokens[place : place + 1]) for place in range(count)]

    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-5)


async def test_no_texts_have_no_vectors(embedder: Embedder) -> None:
    assert (await embedder.embed_texts(TWO_TOWERS, tokens_of())).shape == (0, 8)


async def test_a_model_without_a_text_tower_says_so(embedder: Embedder) -> None:
    with pytest.raises(SoutuError, match="gradient-color@1") as error:
        await embedder.embed_texts(FIRST, tokens_of("red"))

    assert error.value.reason is Reason.TEXT_UNSUPPORTED


@pytest.mark.parametrize(
    "tokens",
    [
        np.ones((1, CONTEXT), np.int32),
        np.ones(CONTEXT, np.int64),
        np.ones((1, CONTEXT + 1), np.int64),
    ],
    ids=["int32", "no batch", "context"],
)
async def test_other_tokens_are_the_callers_fault(embedder: Embedder, tokens: np.ndarray) -> None:
    with pytest.raises(ValueError, match="takes int64"):
        await embedder.embed_texts(TWO_TOWERS, tokens)


async def test_a_text_tower_is_loaded_and_unloaded_with_its_model(embedder: Embedder) -> None:
    await embedder.load(TWO_TOWERS)
    assert {ref for ref in await embedder.loaded() if ref != FIRST} == {TWO_TOWERS}
    await embedder.unload(TWO_TOWERS)
    assert TWO_TOWERS not in await embedder.loaded()
    assert all_units(await embedder.embed_texts(TWO_TOWERS, tokens_of("red")))


async def test_a_closed_embedder_says_so_of_texts_too(embedder: Embedder) -> None:
    await embedder.close()

    with pytest.raises(SoutuError) as error:
        await embedder.embed_texts(TWO_TOWERS, tokens_of("red"))

    assert error.value.reason is Reason.SHUTTING_DOWN
