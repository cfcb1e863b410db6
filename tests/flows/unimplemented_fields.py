"""A call for each field that a server may not have yet, and the field's path in the request."""

from typing import Any

from soutu.v1.collection_pb2 import LabelSet
from soutu.v1.collection_service_pb2 import (
    BuildCollectionRequest,
    ManifestSource,
    Source,
    TarSource,
)
from soutu.v1.image_service_pb2 import CountImagesRequest
from soutu.v1.search_pb2 import (
    Boost,
    ColorCondition,
    CompareRequest,
    Grouping,
    QueryPart,
    Rerank,
    SearchParameters,
)
from tests.flows.bad_searches import NAME, searching
from tests.flows.bad_writes import creating, downloading, listing
from tests.flows.refusals import Call


def comparing(**fields: Any) -> Call:
    return lambda stubs: stubs.search.Compare(CompareRequest(collection=NAME, **fields))


def building(**fields: Any) -> Call:
    return lambda stubs: stubs.collections.BuildCollection(BuildCollectionRequest(name=NAME, **fields))


def counting(**fields: Any) -> Call:
    return lambda stubs: stubs.images.CountImages(CountImagesRequest(parent=NAME, **fields))


CALLS: dict[str, tuple[Call, str]] = {
    "SearchRequest.filter": (searching(filter="rating > 3"), "filter"),
    "SearchRequest.grouping": (searching(grouping=Grouping()), "grouping"),
    "SearchRequest.rerank": (searching(rerank=Rerank()), "rerank"),
    "SearchRequest.boosts": (searching(boosts=[Boost()]), "boosts"),
    "SearchRequest.colors": (searching(colors=[ColorCondition()]), "colors"),
    "SearchParameters.exact": (
        searching(search_parameters=SearchParameters(exact=True)),
        "search_parameters.exact",
    ),
    "QueryPart.text": (searching(QueryPart(image=b"x"), QueryPart(text="a cat")), "parts[1].text"),
    "CompareRequest.rerank": (comparing(rerank=Rerank()), "rerank"),
    "ListImagesRequest.filter": (listing(filter="rating > 3"), "filter"),
    "ListImagesRequest.order_by": (listing(order_by="name"), "order_by"),
    "CountImagesRequest.filter": (counting(filter="rating > 3"), "filter"),
    "DownloadImageRequest.allow_redirect": (downloading(allow_redirect=True), "allow_redirect"),
    "Collection.local_features_model": (
        creating(local_features_model="x"),
        "collection.local_features_model",
    ),
    "Collection.label_sets": (creating(label_sets=[LabelSet()]), "collection.label_sets"),
    "Source.tar": (building(source=Source(tar=TarSource())), "source.tar"),
    "Source.manifest": (building(source=Source(manifest=ManifestSource())), "source.manifest"),
    "BuildCollectionRequest.retry_failures_of": (
        building(retry_failures_of="operations/x"),
        "retry_failures_of",
    ),
}
