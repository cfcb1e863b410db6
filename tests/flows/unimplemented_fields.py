"""A call for each field that a server may not have yet, and the field's path in the request."""

from typing import Any

from soutu.v1.collection_service_pb2 import (
    BuildCollectionRequest,
    ManifestSource,
    Source,
    TarSource,
)
from soutu.v1.search_pb2 import (
    ColorCondition,
    CompareRequest,
    Grouping,
    Rerank,
)
from tests.flows.bad_searches import NAME, searching
from tests.flows.bad_writes import creating, downloading
from tests.flows.refusals import Call


def comparing(**fields: Any) -> Call:
    return lambda stubs: stubs.search.Compare(CompareRequest(collection=NAME, **fields))


def building(**fields: Any) -> Call:
    return lambda stubs: stubs.collections.BuildCollection(BuildCollectionRequest(name=NAME, **fields))


CALLS: dict[str, tuple[Call, str]] = {
    "SearchRequest.grouping": (searching(grouping=Grouping()), "grouping"),
    "SearchRequest.rerank": (searching(rerank=Rerank()), "rerank"),
    "SearchRequest.colors": (searching(colors=[ColorCondition()]), "colors"),
    "CompareRequest.rerank": (comparing(rerank=Rerank()), "rerank"),
    "DownloadImageRequest.allow_redirect": (downloading(allow_redirect=True), "allow_redirect"),
    "Collection.local_features_model": (
        creating(local_features_model="x"),
        "collection.local_features_model",
    ),
    "Source.tar": (building(source=Source(tar=TarSource())), "source.tar"),
    "Source.manifest": (building(source=Source(manifest=ManifestSource())), "source.manifest"),
    "BuildCollectionRequest.retry_failures_of": (
        building(retry_failures_of="operations/x"),
        "retry_failures_of",
    ),
}
