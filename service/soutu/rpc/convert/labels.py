"""Label sets and labels."""

import re
from collections.abc import Iterable, Sequence

from soutu.domain.errors import invalid_field
from soutu.domain.image import Image
from soutu.domain.labels import Label, LabelSet
from soutu.domain.text import checked_text as checked_query_text
from soutu.rpc.convert.basics import checked_text
from soutu.v1 import collection_pb2, image_pb2

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_SET_LIMIT = 8
_LABEL_LIMIT = 1_000
_LABEL_LENGTH = 128
_PROMPT_LIMIT = 16


def label_sets_of(messages: Sequence[collection_pb2.LabelSet]) -> tuple[LabelSet, ...]:
    """The label sets in a message, within the contract's limits; FIELD_INVALID otherwise."""
    if len(messages) > _SET_LIMIT:
        raise invalid_field("collection.label_sets", f"must be at most {_SET_LIMIT}")
    sets = tuple(
        _label_set(message, f"collection.label_sets[{place}]") for place, message in enumerate(messages)
    )
    _refuse_twice((each.name for each in sets), "collection.label_sets", "name")
    return sets


def _label_set(message: collection_pb2.LabelSet, field: str) -> LabelSet:
    if not _NAME.fullmatch(message.name):
        raise invalid_field(f"{field}.name", f"must be of the form {_NAME.pattern}")
    if not 1 <= len(message.labels) <= _LABEL_LIMIT:
        raise invalid_field(f"{field}.labels", f"must be 1 to {_LABEL_LIMIT:,}")
    labels = tuple(_label(each, f"{field}.labels[{place}]") for place, each in enumerate(message.labels))
    _refuse_twice((each.label for each in labels), f"{field}.labels", "label")
    return LabelSet(message.name, labels)


def _label(message: collection_pb2.Label, field: str) -> Label:
    if not message.label.strip():
        raise invalid_field(f"{field}.label", "must say something")
    if len(message.prompts) > _PROMPT_LIMIT:
        raise invalid_field(f"{field}.prompts", f"must be at most {_PROMPT_LIMIT}")
    prompts = (
        checked_query_text(text, f"{field}.prompts[{place}]") for place, text in enumerate(message.prompts)
    )
    return Label(checked_text(message.label, f"{field}.label", _LABEL_LENGTH), tuple(prompts))


def _refuse_twice(texts: Iterable[str], field: str, what: str) -> None:
    seen = set[str]()
    for place, text in enumerate(texts):
        if text in seen:
            raise invalid_field(f"{field}[{place}].{what}", "is there already")
        seen.add(text)


def label_set_messages(sets: Sequence[LabelSet]) -> list[collection_pb2.LabelSet]:
    """One message for each label set."""
    return [
        collection_pb2.LabelSet(
            name=each.name,
            labels=[collection_pb2.Label(label=label.label, prompts=label.prompts) for label in each.labels],
        )
        for each in sets
    ]


def label_messages(image: Image) -> list[image_pb2.PredictedLabel]:
    """One message for each label of an image."""
    return [
        image_pb2.PredictedLabel(label_set=each.label_set, label=each.label, probability=each.probability)
        for each in image.labels
    ]
