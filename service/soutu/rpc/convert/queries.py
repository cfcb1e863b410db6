"""Queries and answers."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from soutu.domain.embedding import Vector
from soutu.domain.errors import Reason, SoutuError, invalid_field
from soutu.domain.image import Region
from soutu.domain.query import (
    Answer,
    Boost,
    Degradation,
    GivenText,
    GivenVector,
    ImageBytes,
    ImageUri,
    Match,
    Part,
    Query,
    StoredImage,
    Subject,
)
from soutu.domain.text import checked_text
from soutu.rpc.convert.basics import checked_mask, duration, masked, one_of, page_size, with_field_prefix
from soutu.rpc.convert.images import fill_image, image_message
from soutu.rpc.names import CollectionName, ImageName, collection_name, generation_path, image_id_in
from soutu.v1 import geometry_pb2, image_pb2, search_pb2

PART_LIMIT = 16
PAGE_LIMIT = 100
_PAGE_DEFAULT = 10
_EXCLUDE_LIMIT = 1_000
_CANDIDATE_LIMIT = 10_000
_WEIGHT_LIMIT = 100.0
_BOOST_LIMIT = 8


def query_of(request: search_pb2.SearchRequest, wait_s: float) -> Query:
    """The query in a request; `wait_s` is how long it may wait for min_revision."""
    name = collection_name(request.collection, "collection")
    checked_mask(request.read_mask, image_pb2.Image(), "read_mask")
    return Query(
        collection_id=name.collection_id,
        generation_id=name.generation_id,
        parts=parts_of(request.parts, name, required=not request.page_token),
        page_size=page_size(request.page_size, _PAGE_DEFAULT, PAGE_LIMIT),
        page_token=request.page_token,
        exclude=_excluded(request, name),
        include_query_images=request.include_query_images,
        score_floor=_score_floor(request),
        min_revision=request.min_revision,
        wait_s=wait_s,
        candidates=_candidates(request.search_parameters.candidates),
        filter=request.filter,
        exact=request.search_parameters.exact,
        boosts=_boosts(request),
    )


def parts_of(
    messages: Sequence[search_pb2.QueryPart], name: CollectionName, *, required: bool
) -> tuple[Part, ...]:
    """The parts of a query; FIELD_INVALID for too many, or for none where they are `required`."""
    if required and not messages:
        raise invalid_field("parts", "at least one part must be given")
    if len(messages) > PART_LIMIT:
        raise invalid_field("parts", f"must be at most {PART_LIMIT}")
    return tuple(_part(message, name, f"parts[{index}]") for index, message in enumerate(messages))


def _part(message: search_pb2.QueryPart, name: CollectionName, field: str) -> Part:
    weight = message.weight if message.HasField("weight") else 1.0
    if not math.isfinite(weight) or weight == 0 or abs(weight) > _WEIGHT_LIMIT:
        raise invalid_field(
            f"{field}.weight", f"must be within [-{_WEIGHT_LIMIT:g}, {_WEIGHT_LIMIT:g}] and not 0"
        )
    return Part(subject_of(message, name.collection_id, field), weight)


def subject_of(message: search_pb2.QueryPart, collection: str, field: str) -> Subject:
    """The subject of a part; stored images must be of `collection`."""
    region = _region(message, field)
    match message.WhichOneof("subject"):
        case "image":
            return ImageBytes(message.image, region)
        case "uri":
            return ImageUri(message.uri, region)
        case "stored_image":
            return StoredImage(image_id_in(message.stored_image, collection, f"{field}.stored_image"), region)
        case "text":
            _refuse_region(region, field)
            return GivenText(checked_text(message.text, f"{field}.text"))
        case "vector":
            _refuse_region(region, field)
            return GivenVector(_vector(message.vector, f"{field}.vector"))
    raise one_of(Reason.FIELD_INVALID, field, "image, stored_image, uri, text and vector")


def _refuse_region(region: Region | None, field: str) -> None:
    if region:
        raise invalid_field(f"{field}.region", "goes with pictures only")


def _region(message: search_pb2.QueryPart, field: str) -> Region | None:
    if not message.HasField("region"):
        return None
    box: geometry_pb2.Region = message.region
    try:
        return Region(box.left, box.top, box.right, box.bottom)
    except SoutuError as error:
        raise with_field_prefix(error, f"{field}.region") from error


def _vector(message: search_pb2.Vector, field: str) -> Vector:
    if message.values and message.float16_values:
        raise invalid_field(field, "values and float16_values exclude each other")
    if len(message.float16_values) % 2:
        raise invalid_field(f"{field}.float16_values", "must have two bytes per component")
    if message.float16_values:
        return np.frombuffer(message.float16_values, "<f2").astype(np.float32)
    return _floats(message)


def _floats(message: search_pb2.Vector) -> Vector:
    """`values`. Where nothing else is in the message its encoding is a tag, a length and these as
    little-endian float32: one by one, 2,048 of them would take the event loop a tenth of a millisecond."""
    size = 4 * len(message.values)
    encoded = message.SerializeToString()
    if len(encoded) == 1 + _varint_bytes(size) + size:
        return np.frombuffer(encoded[-size:], "<f4").astype(np.float32)
    return np.fromiter(message.values, np.float32, len(message.values))


def _varint_bytes(number: int) -> int:
    return -(-number.bit_length() // 7)


def _excluded(request: search_pb2.SearchRequest, name: CollectionName) -> frozenset[str]:
    if len(request.exclude) > _EXCLUDE_LIMIT:
        raise invalid_field("exclude", f"must be at most {_EXCLUDE_LIMIT}")
    return frozenset(
        image_id_in(text, name.collection_id, f"exclude[{index}]")
        for index, text in enumerate(request.exclude)
    )


def _score_floor(request: search_pb2.SearchRequest) -> float | None:
    if not request.HasField("min_score"):
        return None
    if not -1 <= request.min_score <= 1:
        raise invalid_field("min_score", "must be within [-1, 1]")
    return request.min_score


def _candidates(count: int) -> int:
    if not 0 <= count <= _CANDIDATE_LIMIT:
        raise invalid_field("search_parameters.candidates", f"must be from 0 to {_CANDIDATE_LIMIT}")
    return count


def _boosts(request: search_pb2.SearchRequest) -> tuple[Boost, ...]:
    if len(request.boosts) > _BOOST_LIMIT:
        raise invalid_field("boosts", f"must be at most {_BOOST_LIMIT}")
    for index, boost in enumerate(request.boosts):
        if not -1 <= boost.amount <= 1:
            raise invalid_field(f"boosts[{index}].amount", "must be within [-1, 1]")
    return tuple(Boost(boost.filter, boost.amount) for boost in request.boosts)


def answer_message(answer: Answer, request: search_pb2.SearchRequest) -> search_pb2.SearchResponse:
    """The message for an answer, with what `request` asks to see of it."""
    paths = checked_mask(request.read_mask, image_pb2.Image(), "read_mask")
    response = search_pb2.SearchResponse(
        next_page_token=answer.next_page_token,
        report=_report(answer, request.explain, any(each.amount for each in request.boosts)),
    )
    for match in answer.matches:
        _fill_match(response.matches.add(), match, answer.collection_id, paths, request.explain)
    return response


def _fill_match(
    message: search_pb2.Match, match: Match, collection: str, paths: list[str], explain: bool
) -> None:
    message.name = str(ImageName(collection, match.image_id))
    message.score = shown_score(match.score - match.boost) + match.boost
    if match.probability is not None:
        message.probability = match.probability
    if match.image and paths:
        message.image.CopyFrom(masked(image_message(match.image, collection), ["name", *paths]))
    elif match.image:
        fill_image(message.image, match.image, collection)
    if explain:
        message.stage_scores.update(match.stage_scores)


def shown_score(score: float) -> float:
    """The score within [-1, 1]: vectors rounded to float16 are longer than one by up to some 1e-4."""
    return min(max(score, -1.0), 1.0)


def _report(answer: Answer, explain: bool, boosted: bool) -> search_pb2.SearchReport:
    return search_pb2.SearchReport(
        generation=generation_path(answer.collection_id, answer.generation_id),
        revision=answer.revision,
        model=f"models/{answer.model}",
        stages=stage_messages(answer.stages_s.items()),
        degraded=degradation_messages(answer.degraded),
        explanation=_explanation(answer, boosted) if explain else "",
    )


def degradation_messages(degraded: Iterable[Degradation]) -> list[search_pb2.Degradation]:
    """One message for each part that was left out."""
    return [search_pb2.Degradation(part=each.part, reason=each.reason) for each in degraded]


def stage_messages(seconds: Iterable[tuple[str, float]]) -> list[search_pb2.StageTiming]:
    """One message per stage, in order."""
    return [search_pb2.StageTiming(stage=stage, duration=duration(spent)) for stage, spent in seconds]


def _explanation(answer: Answer, boosted: bool) -> str:
    boosts = " plus the boosts whose filters they satisfy" if boosted else ""
    return (
        f"The query was embedded by {answer.model}; matches are ordered by the inner product of unit "
        f"vectors{boosts}, equal ones by age."
    )


def vector_message(vector: Vector, float16: bool) -> search_pb2.Vector:
    """The message for a vector, as floats or as float16 bytes."""
    if float16:
        return search_pb2.Vector(float16_values=vector.astype("<f2").tobytes())
    return search_pb2.Vector(values=vector.tolist())
