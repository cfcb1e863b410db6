"""What the stories need of the world, as Protocols. Adapters keep them; bootstrap chooses the adapters.

Every method may raise SoutuError and nothing else that a caller could handle.
"""

from soutu.ports.catalog import (
    Catalog,
    CollectionCatalog,
    ImageCatalog,
    LeadCatalog,
    OperationCatalog,
    PurgeCatalog,
    SnapshotCatalog,
)
from soutu.ports.index import Following, VectorIndex
from soutu.ports.world import Cache, Clock, Embedder, Fetcher, Keys, ModelStore, ObjectStore, Originals

__all__ = [
    "Cache",
    "Catalog",
    "Clock",
    "CollectionCatalog",
    "Embedder",
    "Fetcher",
    "Following",
    "ImageCatalog",
    "Keys",
    "LeadCatalog",
    "ModelStore",
    "ObjectStore",
    "OperationCatalog",
    "Originals",
    "PurgeCatalog",
    "SnapshotCatalog",
    "VectorIndex",
]
