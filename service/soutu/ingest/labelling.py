"""Images are labelled as they are written: from their embeddings, without running a model on them again."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from soutu.domain.collection import Head
from soutu.domain.embedding import Vector, Vectors, rounded
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.labels import LabelSet, PredictedLabel, label_vectors, predicted, probabilities
from soutu.domain.model import ModelRef, TextTower
from soutu.domain.writing import Put, Write
from soutu.ports import Embedder, ModelStore
from soutu.texts.tokenizer import Tokenizers

_REMEMBERED = 64


class Labelling:
    """Predicts the labels of images. The vectors of a label set are made once and remembered."""

    def __init__(self, models: ModelStore, embedder: Embedder, tokenizers: Tokenizers) -> None:
        self._models = models
        self._embedder = embedder
        self._tokenizers = tokenizers
        self._known: OrderedDict[tuple[ModelRef, LabelSet], Vectors] = OrderedDict()

    async def check(self, model: ModelRef, sets: Sequence[LabelSet]) -> None:
        """Makes the label sets ready: TEXT_UNSUPPORTED where the model has no text tower; FIELD_INVALID,
        naming the label, where it finds nothing that it knows in a text; INFERENCE_UNAVAILABLE."""
        for place, label_set in enumerate(sets):
            await self._vectors(model, label_set, f"collection.label_sets[{place}]")

    async def labelled(self, head: Head, writes: Sequence[Write]) -> Sequence[Write]:
        """The writes, those that put an image with the labels of its embedding under the active model."""
        model = head.generation.model
        puts = [write for write in writes if isinstance(write, Put) and model in write.embeddings]
        if not puts or not head.collection.label_sets:
            return writes
        labels = await self.labels(head, [put.embeddings[model] for put in puts])
        made = {id(put): replace(put, labels=given) for put, given in zip(puts, labels, strict=True)}
        return [made.get(id(write), write) for write in writes]

    async def labels(self, head: Head, vectors: Sequence[Vector]) -> Sequence[tuple[PredictedLabel, ...]]:
        """The labels of images with these vectors, (dimension,) each, in order: none under a model without a
        text tower."""
        model = head.generation.model
        tower = self._models.card(str(model)).text
        if tower is None or not vectors:
            return [()] * len(vectors)
        sets = {each: await self._vectors(model, each, each.name) for each in head.collection.label_sets}
        return _labels(tower, rounded(np.stack(vectors)), sets)

    async def _vectors(self, model: ModelRef, label_set: LabelSet, field: str) -> Vectors:
        """The labels' vectors, float32 (labels, dimension)."""
        key = (model, label_set)
        if key not in self._known:
            prompts = [
                await self._embedded(model, label.texts, f"{field}.labels[{place}]")
                for place, label in enumerate(label_set.labels)
            ]
            self._known[key] = label_vectors(prompts)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]

    async def _embedded(self, model: ModelRef, texts: Sequence[str], field: str) -> Vectors:
        try:
            tokens = await self._tokenizers.tokens(model, texts)
        except SoutuError as error:
            if error.reason is not Reason.FIELD_INVALID:
                raise
            raise SoutuError(error.reason, f"{field}: {error.message}", field=field) from error
        return await self._embedder.embed_texts(model, tokens.ids)


def _labels(
    tower: TextTower, images: Vectors, sets: Mapping[LabelSet, Vectors]
) -> Sequence[tuple[PredictedLabel, ...]]:
    chances = {label_set: probabilities(tower, images, labels) for label_set, labels in sets.items()}
    return [
        tuple(label for label_set, rows in chances.items() for label in predicted(label_set, rows[place]))
        for place in range(len(images))
    ]
