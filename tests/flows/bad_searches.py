"""Bad searches, by name: the call, and the status, reason and field of its refusal."""

from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from soutu.v1 import search_pb2 as search
from soutu.v1.geometry_pb2 import Region
from tests.flows import pictures
from tests.flows.refusals import BadCall, Call

NAME = "collections/errors"
ONE = f"{NAME}/images/one"
PICTURE = pictures.jpeg(1)
INVALID, NOT_FOUND = "INVALID_ARGUMENT", "NOT_FOUND"
STORED = search.QueryPart(stored_image=ONE)
NAN = float("nan")


def searching(*parts: search.QueryPart, **fields: Any) -> Call:
    """A search that is sound but for what is given here."""
    given = {"collection": NAME, "parts": parts or [search.QueryPart(image=PICTURE)], **fields}
    return lambda stubs: stubs.search.Search(search.SearchRequest(**given))


def weighing(weight: float) -> Call:
    return searching(search.QueryPart(image=PICTURE, weight=weight))


def boosting(*boosts: search.Boost) -> Call:
    return searching(boosts=boosts)


def at_vector(**fields: Any) -> Call:
    return searching(search.QueryPart(vector=search.Vector(**fields)))


def in_region(left: float, top: float, right: float, bottom: float) -> Call:
    box = Region(left=left, top=top, right=right, bottom=bottom)
    return searching(search.QueryPart(image=PICTURE, region=box))


def batch(count: int) -> Call:
    requests = [search.SearchRequest()] * count
    return lambda stubs: stubs.search.BatchSearch(search.BatchSearchRequest(requests=requests))


def embedding(*inputs: search.QueryPart, model: str = NAME) -> Call:
    return lambda stubs: stubs.search.Embed(search.EmbedRequest(model=model, inputs=inputs))


SEARCHES: dict[str, BadCall] = {
    "no collection": BadCall(searching(collection=""), INVALID, "FIELD_INVALID", "collection"),
    "no name": BadCall(searching(collection="errors"), INVALID, "FIELD_INVALID", "collection"),
    "unknown collection": BadCall(searching(collection="collections/no"), NOT_FOUND, "COLLECTION_NOT_FOUND"),
    "unknown generation": BadCall(
        searching(collection=f"{NAME}/generations/x"), NOT_FOUND, "GENERATION_NOT_FOUND"
    ),
    "no parts": BadCall(
        lambda stubs: stubs.search.Search(search.SearchRequest(collection=NAME)),
        INVALID,
        "FIELD_INVALID",
        "parts",
    ),
    "17 parts": BadCall(searching(*[STORED] * 17), INVALID, "FIELD_INVALID", "parts"),
    "empty part": BadCall(searching(search.QueryPart()), INVALID, "FIELD_INVALID", "parts[0]"),
    "second part empty": BadCall(searching(STORED, search.QueryPart()), INVALID, "FIELD_INVALID", "parts[1]"),
    "weight 0": BadCall(weighing(0), INVALID, "FIELD_INVALID", "parts[0].weight"),
    "weight NaN": BadCall(weighing(NAN), INVALID, "FIELD_INVALID", "parts[0].weight"),
    "weight 101": BadCall(weighing(101), INVALID, "FIELD_INVALID", "parts[0].weight"),
    "no vector": BadCall(at_vector(), INVALID, "VECTOR_INVALID"),
    "short vector": BadCall(at_vector(values=[1, 2, 3]), INVALID, "VECTOR_INVALID"),
    "long vector": BadCall(at_vector(values=[1.0] * 100_000), INVALID, "VECTOR_INVALID"),
    "odd float16": BadCall(
        at_vector(float16_values=b"abc"), INVALID, "FIELD_INVALID", "parts[0].vector.float16_values"
    ),
    "two vectors": BadCall(
        at_vector(values=[1], float16_values=b"ab"), INVALID, "FIELD_INVALID", "parts[0].vector"
    ),
    "region of a vector": BadCall(
        searching(search.QueryPart(vector=search.Vector(values=[1]), region=Region(right=1, bottom=1))),
        INVALID,
        "FIELD_INVALID",
        "parts[0].region",
    ),
    "empty region": BadCall(in_region(0.5, 0, 0.5, 1), INVALID, "REGION_INVALID", "parts[0].region"),
    "region outside": BadCall(in_region(0, 0, 1.1, 1), INVALID, "REGION_INVALID", "parts[0].region"),
    "region NaN": BadCall(in_region(0, NAN, 1, 1), INVALID, "REGION_INVALID", "parts[0].region"),
    "unknown image": BadCall(
        searching(search.QueryPart(stored_image=f"{NAME}/images/no")), NOT_FOUND, "IMAGE_NOT_FOUND"
    ),
    "another collection's image": BadCall(
        searching(search.QueryPart(stored_image="collections/other/images/one")),
        INVALID,
        "FIELD_INVALID",
        "parts[0].stored_image",
    ),
    "page size": BadCall(searching(page_size=-1), INVALID, "FIELD_INVALID", "page_size"),
    "page token": BadCall(searching(page_token="nonsense"), INVALID, "PAGE_TOKEN_INVALID"),
    "min_score 2": BadCall(searching(min_score=2), INVALID, "FIELD_INVALID", "min_score"),
    "min_score NaN": BadCall(searching(min_score=NAN), INVALID, "FIELD_INVALID", "min_score"),
    "9 boosts": BadCall(boosting(*[search.Boost(filter="rating=1")] * 9), INVALID, "FIELD_INVALID", "boosts"),
    "a boost of 1.5": BadCall(
        boosting(search.Boost(filter="rating=1", amount=1.5)), INVALID, "FIELD_INVALID", "boosts[0].amount"
    ),
    "a boost of NaN": BadCall(
        boosting(search.Boost(), search.Boost(filter="rating=1", amount=NAN)),
        INVALID,
        "FIELD_INVALID",
        "boosts[1].amount",
    ),
    "a boost of nothing": BadCall(
        boosting(search.Boost(amount=0.5)), INVALID, "FIELD_INVALID", "boosts[0].filter"
    ),
    "a boost that does not parse": BadCall(
        boosting(search.Boost(filter="rating ="), search.Boost(filter="rating = 1")),
        INVALID,
        "FILTER_INVALID",
        "boosts[0].filter",
    ),
    "exclude": BadCall(searching(exclude=["one"]), INVALID, "FIELD_INVALID", "exclude[0]"),
    "exclude 1001": BadCall(searching(exclude=[ONE] * 1_001), INVALID, "FIELD_INVALID", "exclude"),
    "read mask": BadCall(
        searching(read_mask=FieldMask(paths=["nope"])), INVALID, "FIELD_INVALID", "read_mask"
    ),
    "revision": BadCall(searching(min_revision="nonsense"), INVALID, "REVISION_INVALID", "min_revision"),
    "candidates": BadCall(
        searching(search_parameters=search.SearchParameters(candidates=10_001)),
        INVALID,
        "FIELD_INVALID",
        "search_parameters.candidates",
    ),
    "batch of none": BadCall(batch(0), INVALID, "FIELD_INVALID", "requests"),
    "batch of 17": BadCall(batch(17), INVALID, "FIELD_INVALID", "requests"),
    "embed nothing": BadCall(embedding(), INVALID, "FIELD_INVALID", "inputs"),
    "embed 33": BadCall(embedding(*[STORED] * 33), INVALID, "FIELD_INVALID", "inputs"),
    "embed under no model": BadCall(embedding(STORED, model="models/no"), NOT_FOUND, "MODEL_NOT_FOUND"),
    "embed a stored image by model": BadCall(
        embedding(STORED, model="models/gradient-color"), INVALID, "FIELD_INVALID", "inputs"
    ),
    "embed a bad second input": BadCall(
        embedding(STORED, search.QueryPart(image=b"x")), INVALID, "IMAGE_FORMAT_UNSUPPORTED", "inputs[1]"
    ),
}
