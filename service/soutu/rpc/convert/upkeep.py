"""Requests of AdminService."""

from collections.abc import Sequence

from soutu.domain.errors import invalid_field
from soutu.domain.exchange import ExportFormat
from soutu.rpc.names import image_id_in
from soutu.v1 import admin_service_pb2

_PURGE_LIMIT = 1_000
_RECALL = 0.98
_FORMATS = {
    admin_service_pb2.ExportCollectionRequest.FORMAT_UNSPECIFIED: ExportFormat.PARQUET,
    admin_service_pb2.ExportCollectionRequest.FORMAT_PARQUET: ExportFormat.PARQUET,
    admin_service_pb2.ExportCollectionRequest.FORMAT_HDF5: ExportFormat.HDF5,
}


def export_format(request: admin_service_pb2.ExportCollectionRequest) -> ExportFormat:
    """The format that is asked for."""
    if request.format not in _FORMATS:
        raise invalid_field("format", "must be PARQUET or HDF5")
    return _FORMATS[request.format]


def purged_ids(request: admin_service_pb2.PurgeImagesRequest, collection: str) -> Sequence[str]:
    """The ids of the images to purge."""
    if not 1 <= len(request.names) <= _PURGE_LIMIT:
        raise invalid_field("names", f"must be 1 to {_PURGE_LIMIT}")
    return [image_id_in(name, collection, f"names[{index}]") for index, name in enumerate(request.names)]


def wanted_recall(request: admin_service_pb2.TuneIndexRequest) -> float:
    """The recall to reach."""
    if not 0 <= request.recall <= 1:
        raise invalid_field("recall", "must be above 0 and at most 1")
    return request.recall or _RECALL
