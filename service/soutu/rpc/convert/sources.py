"""What builds and syncs are asked for."""

from pathlib import Path

from soutu.collections.fillings import BuildOrder, SyncOrder
from soutu.domain.errors import Reason, invalid_field
from soutu.domain.image import Keeping
from soutu.ingest.specs import DirectorySpec, ManifestSpec, SourceSpec, TarSpec
from soutu.rpc.convert.basics import checked_text, one_of
from soutu.rpc.names import operation_id
from soutu.v1 import collection_service_pb2, image_pb2

_PATTERN_LIMIT = 100
_COLUMN_LIMIT = 200
_TEXT_LIMIT = 1_024
_PATH_LIMIT = 4_096
_KEEPINGS = {
    image_pb2.KEEPING_UNSPECIFIED: None,
    image_pb2.KEEPING_STORED: Keeping.STORED,
    image_pb2.KEEPING_REFERENCED: Keeping.REFERENCED,
}


def build_order_of(request: collection_service_pb2.BuildCollectionRequest) -> BuildOrder:
    """What a build was asked for; whether the source may be read is the story's own question."""
    keeping = _keeping(request.keeping)
    if not request.retry_failures_of:
        return BuildOrder(_source(request), keeping)
    earlier = operation_id(request.retry_failures_of, "retry_failures_of")
    return BuildOrder(_source(request) if request.HasField("source") else None, keeping, earlier)


def sync_order_of(request: collection_service_pb2.SyncCollectionRequest) -> SyncOrder:
    """What a sync was asked for."""
    return SyncOrder(
        _source(request), _keeping(request.keeping), request.dry_run, request.watch, request.keep_vanished
    )


def _source(
    request: collection_service_pb2.BuildCollectionRequest | collection_service_pb2.SyncCollectionRequest,
) -> SourceSpec:
    source = request.source
    match source.WhichOneof("kind"):
        case "directory":
            return _directory(source.directory)
        case "tar":
            return TarSpec(_path(source.tar.path, "tar"))
        case "manifest":
            return _manifest(source.manifest)
    raise one_of(Reason.FIELD_INVALID, "source", "directory, tar and manifest")


def _directory(directory: collection_service_pb2.DirectorySource) -> DirectorySpec:
    if len(directory.include) + len(directory.exclude) > _PATTERN_LIMIT:
        raise invalid_field("source.directory", f"include and exclude must be at most {_PATTERN_LIMIT}")
    for pattern in (*directory.include, *directory.exclude):
        checked_text(pattern, "source.directory", _TEXT_LIMIT)
    path = _path(directory.path, "directory")
    return DirectorySpec(path, directory.flat, tuple(directory.include), tuple(directory.exclude))


def _manifest(manifest: collection_service_pb2.ManifestSource) -> ManifestSpec:
    field = "source.manifest.columns"
    if len(manifest.columns) > _COLUMN_LIMIT:
        raise invalid_field(field, f"must be at most {_COLUMN_LIMIT}")
    for text in (manifest.path_column, *manifest.columns.keys(), *manifest.columns.values()):
        checked_text(text, field, _TEXT_LIMIT)
    path = _path(manifest.path, "manifest")
    return ManifestSpec(path, manifest.path_column or "path", dict(manifest.columns))


def _path(text: str, kind: str) -> Path:
    return Path(checked_text(text, f"source.{kind}.path", _PATH_LIMIT))


def _keeping(asked: image_pb2.Keeping.ValueType) -> Keeping | None:
    if asked not in _KEEPINGS:
        raise invalid_field("keeping", "must be STORED or REFERENCED")
    return _KEEPINGS[asked]
