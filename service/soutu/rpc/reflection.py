"""Server reflection that load generators can use, too.

grpcio-reflection finds services and messages but no method by its full name, which ghz asks for
(https://github.com/grpc/grpc/issues/34743); the pool here falls back to the method's service.
"""

from collections.abc import Sequence

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha._async import ReflectionServicer


class MethodPool:
    """The default descriptor pool, in which a method's name leads to the file of its service."""

    def __init__(self) -> None:
        self._pool = descriptor_pool.Default()

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:
        """The file that declares `symbol`; KeyError if none does."""
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindFileContainingSymbol(symbol.rpartition(".")[0])

    def __getattr__(self, name: str) -> object:
        return getattr(self._pool, name)


def reflection_servicer(services: Sequence[str]) -> ReflectionServicer:
    """A servicer for these services and reflection itself."""
    return ReflectionServicer([*services, reflection.SERVICE_NAME], pool=MethodPool())
