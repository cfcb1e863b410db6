"""The scope that each method needs, said once. Test: tests/unit/rpc/test_scopes.py.

read changes nothing; write changes collections and what is in them; admin keeps the deployment.
"""

from collections.abc import Mapping

from soutu.domain.access import Scope

HEALTH = "grpc.health.v1.Health"
REFLECTION = "grpc.reflection.v1alpha.ServerReflection"

_SERVICES: Mapping[str, Mapping[Scope, tuple[str, ...]]] = {
    "soutu.v1.SearchService": {Scope.READ: ("Search", "BatchSearch", "Compare", "Embed")},
    "soutu.v1.ImageService": {
        Scope.READ: ("GetImage", "ListImages", "CountImages", "FacetImages", "DownloadImage"),
        Scope.WRITE: (
            *("UploadImage", "StreamUploadImage", "BatchUploadImages"),
            *("UpdateImage", "DeleteImage", "BatchDeleteImages"),
        ),
    },
    "soutu.v1.CollectionService": {
        Scope.READ: (
            *("GetCollection", "ListCollections", "GetCollectionStatistics", "ListOperationFailures"),
            *("EstimateGeneration", "GetGeneration", "ListGenerations"),
            *("ListDuplicateGroups", "ListClusters"),
        ),
        Scope.WRITE: (
            *("CreateCollection", "UpdateCollection", "DeleteCollection"),
            *("BuildCollection", "SyncCollection", "FindDuplicates", "ClusterImages"),
            *("CreateGeneration", "PublishGeneration", "RollBackCollection", "DeleteGeneration"),
        ),
    },
    "soutu.v1.ModelService": {
        Scope.READ: ("ListModels", "GetModel"),
        Scope.ADMIN: ("LoadModel", "UnloadModel"),
    },
    "soutu.v1.AdminService": {
        Scope.READ: ("GetLimits", "GetStatus"),
        Scope.ADMIN: (
            *("Backup", "Restore", "ExportCollection", "ImportCollection"),
            *("PurgeImages", "RebuildIndex", "TuneIndex"),
        ),
    },
    "google.longrunning.Operations": {
        Scope.READ: ("ListOperations", "GetOperation", "WaitOperation"),
        Scope.WRITE: ("CancelOperation", "DeleteOperation"),
    },
    HEALTH: {Scope.READ: ("Check", "Watch")},
    REFLECTION: {Scope.READ: ("ServerReflectionInfo",)},
}

SCOPES: Mapping[str, Scope] = {
    f"/{service}/{method}": scope
    for service, scopes in _SERVICES.items()
    for scope, methods in scopes.items()
    for method in methods
}
