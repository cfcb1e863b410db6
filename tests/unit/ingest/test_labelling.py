"""Writes are labelled by their embeddings under the active model, and each text is embedded once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from soutu.adapters.inference.onnx import OnnxEmbedder
from soutu.adapters.models.folders import FolderModels
from soutu.domain.collection import Head
from soutu.domain.embedding import Vectors
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Metadata
from soutu.domain.labels import Label, LabelSet
from soutu.domain.model import ModelRef
from soutu.domain.writing import Put, Revise
from soutu.ingest.labelling import Labelling
from soutu.texts.tokenizer import Tokenizers
from tests.contract.catalog_fixtures import put
from tests.contract.embedders import FIRST, bundled_models
from tests.contract.towers import SIDE, TWO_TOWERS, write_two_towers
from tests.unit.ingest.fakes import COLLECTION, generation

COLOURS = LabelSet("colours", (Label("red"), Label("blue", ("blue", "a blue picture"))))
HEAD = Head(replace(COLLECTION, label_sets=(COLOURS,)), replace(generation(), model=TWO_TOWERS))


class Counted(OnnxEmbedder):
    """Counts the texts that it embeds."""

    texts = 0

    async def embed_texts(self, model: ModelRef, tokens: NDArray[np.int64]) -> Vectors:
        self.texts += len(tokens)
        return await super().embed_texts(model, tokens)


@pytest.fixture
def models(tmp_path: Path) -> FolderModels:
    write_two_towers(tmp_path / TWO_TOWERS.name / TWO_TOWERS.version)
    return bundled_models(tmp_path)


@pytest.fixture
def embedder(models: FolderModels) -> Counted:
    return Counted(models, threads=1)


@pytest.fixture
def labelling(models: FolderModels, embedder: Counted) -> Labelling:
    return Labelling(models, embedder, Tokenizers(models))


async def placed(embedder: Counted, image_id: str, colour: tuple[int, int, int]) -> Put:
    (vector,) = await embedder.embed(TWO_TOWERS, np.full((1, SIDE, SIDE, 3), colour, np.uint8))
    return put(image_id, embeddings={TWO_TOWERS: vector})


async def test_puts_are_labelled_and_other_writes_pass(labelling: Labelling, embedder: Counted) -> None:
    red = await placed(embedder, "r", (230, 10, 10))
    blue = await placed(embedder, "b", (10, 10, 230))
    revise, elsewhere = Revise("x", Metadata()), put("elsewhere")

    first, second, third, fourth = await labelling.labelled(HEAD, [red, revise, blue, elsewhere])

    assert isinstance(first, Put)
    assert isinstance(third, Put)
    assert [write.labels[0].label for write in (first, third)] == ["red", "blue"]
    assert second is revise
    assert fourth is elsewhere  # it has no embedding under the active model
    assert replace(first, labels=()) == red
    assert not red.labels


async def test_the_texts_of_a_set_are_embedded_once(labelling: Labelling, embedder: Counted) -> None:
    await labelling.check(TWO_TOWERS, [COLOURS])
    for number in range(3):
        await labelling.labelled(HEAD, [await placed(embedder, f"i{number}", (230, 10, 10))])

    assert embedder.texts == 3


async def test_without_sets_or_words_there_are_no_labels(labelling: Labelling, embedder: Counted) -> None:
    red = await placed(embedder, "r", (230, 10, 10))
    bare = replace(HEAD, collection=COLLECTION)
    wordless = replace(HEAD, generation=replace(HEAD.generation, model=FIRST))

    assert list(await labelling.labelled(bare, [red])) == [red]
    given = replace(red, embeddings={FIRST: np.zeros(595, np.float32)})
    assert list(await labelling.labelled(wordless, [given])) == [given]
    assert embedder.texts == 0


async def test_sets_that_the_model_cannot_choose_from_are_refused(labelling: Labelling) -> None:
    with pytest.raises(SoutuError) as error:
        await labelling.check(FIRST, [COLOURS])
    assert error.value.reason is Reason.TEXT_UNSUPPORTED
    invisible = LabelSet("s", (Label("red"), Label("none", ("\u200b",))))
    with pytest.raises(SoutuError) as refused:
        await labelling.check(TWO_TOWERS, [COLOURS, invisible])
    assert refused.value.metadata["field"] == "collection.label_sets[1].labels[1]"
