"""What the latest build or sync of the same source could not take, and a further one may not take either."""

from soutu.domain.errors import Reason
from soutu.domain.operation import Operation, OperationKind
from soutu.ingest.specs import SourceSpec, spec_mapping
from soutu.ports import Catalog

_PAGE = 1_000


async def failed_before(catalog: Catalog, operation: Operation, source: SourceSpec) -> set[str]:
    """The paths whose pictures failed in the latest earlier operation that filled the collection from the
    source."""
    latest = await _latest(catalog, operation, source)
    if latest is None:
        return set()
    paths, last = set[str](), 0
    while page := await catalog.failures(latest.uid, last, _PAGE):
        paths |= {each.subject for _, each in page if each.reason != Reason.SIDECAR_UNREADABLE.name}
        last = page[-1][0]
    return paths


async def _latest(catalog: Catalog, operation: Operation, source: SourceSpec) -> Operation | None:
    latest, last = None, 0
    while page := await catalog.operations(last, _PAGE):
        for each in page:
            latest = each if _filled_from(each, operation, source) else latest
        last = page[-1].uid
    return latest


def _filled_from(earlier: Operation, operation: Operation, source: SourceSpec) -> bool:
    if earlier.collection_uid != operation.collection_uid or earlier.uid >= operation.uid:
        return False
    if earlier.kind not in (OperationKind.BUILD, OperationKind.SYNC) or earlier.request.get("dry_run"):
        return False
    own, wanted = earlier.request["source"], spec_mapping(source)
    return isinstance(own, dict) and (own["kind"], own["path"]) == (wanted["kind"], wanted["path"])
