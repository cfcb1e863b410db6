"""Every method that a server answers to, found in the descriptors and not in our own tables."""

from google.longrunning import operations_pb2
from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from soutu.v1 import (
    admin_service_pb2,
    collection_service_pb2,
    image_service_pb2,
    model_service_pb2,
    search_pb2,
)

_OURS = (search_pb2, image_service_pb2, collection_service_pb2, model_service_pb2, admin_service_pb2)
_OTHERS = (operations_pb2, health_pb2, reflection_pb2)

METHODS: list[MethodDescriptor] = [
    method
    for file in (*_OURS, *_OTHERS)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]


def path_of(method: MethodDescriptor) -> str:
    """The method as gRPC calls it, such as "/soutu.v1.SearchService/Search"."""
    return f"/{method.containing_service.full_name}/{method.name}"
