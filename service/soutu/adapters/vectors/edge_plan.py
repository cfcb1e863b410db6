"""From an IndexSpec to Qdrant Edge's configuration."""

from dataclasses import dataclass

import qdrant_edge as edge

from soutu.adapters.vectors.edge_holes import VACUUM_AT, VACUUM_LEAST
from soutu.domain.collection import IndexSpec, IndexType
from soutu.domain.errors import invalid_field

_FLAT_BYTES = 5 * 2**20  # of vectors: where HNSW overtakes the scan (python -m bench.vectors --threshold)
_FLAT_MOST = 10_000  # points
DEFAULT_CANDIDATES = 64
_NEVER_KB = 2**40
_BYTES_PER_COMPONENT = 2  # float16
# A search keeps the interpreter's lock until its threads are done. A shard has one segment that is worth one;
# waking a second costs 0.05 ms of 0.3 and saves nothing, not in exact searches either.
_SEARCH_THREADS = 1
_PARAMETERS = {"m": (16, 4, 128), "ef_construct": (100, 8, 2048)}  # default, least, most


@dataclass(frozen=True, slots=True)
class Plan:
    """How one generation is laid out and searched: exactly below `flat_below` points, by HNSW above."""

    dimension: int
    flat_below: float
    candidates: int
    m: int
    ef_construct: int
    threads: int

    def config(self) -> edge.EdgeConfig:
        """Vectors are kept as float16, which they were rounded to before: half the memory, equal scores.

        The payload is read from the page cache; the engine's default, cold, costs a query 0.3 ms.
        """
        return edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(
                size=self.dimension, distance=edge.Distance.Dot, datatype=edge.VectorStorageDatatype.Float16
            ),
            hnsw_config=edge.HnswIndexConfig(
                m=self.m,
                ef_construct=self.ef_construct,
                full_scan_threshold=self._flat_kb(),
                max_indexing_threads=max(1, self.threads // 2),
            ),
            optimizers=edge.EdgeOptimizersConfig(
                indexing_threshold=self._flat_kb(),
                deleted_threshold=VACUUM_AT,
                vacuum_min_vector_number=VACUUM_LEAST,
            ),
            payload_memory=edge.Memory.Cached,
            max_search_threads=_SEARCH_THREADS,
        )

    def _flat_kb(self) -> int:
        """The size of `flat_below` vectors in KB, as the engine counts it; it reads 0 as "never"."""
        size_kb = self.flat_below * self.dimension * _BYTES_PER_COMPONENT / 1024
        return int(min(max(size_kb, 1), _NEVER_KB))


def plan_for(dimension: int, spec: IndexSpec, *, threads: int, flat_below: int | None = None) -> Plan:
    """The plan for `spec`, exact below so many points or below the usual; FIELD_INVALID for what this store
    cannot build."""
    check_spec(spec)
    if flat_below is None:
        flat_below = min(_FLAT_BYTES // (dimension * _BYTES_PER_COMPONENT), _FLAT_MOST)
    chosen = {name: spec.parameters.get(name, default) for name, (default, _, _) in _PARAMETERS.items()}
    return Plan(
        dimension=dimension,
        flat_below=float("inf") if spec.type is IndexType.FLAT else flat_below,
        candidates=spec.candidates or DEFAULT_CANDIDATES,
        m=chosen["m"],
        ef_construct=chosen["ef_construct"],
        threads=threads,
    )


def check_spec(spec: IndexSpec) -> None:
    """FIELD_INVALID with the sentence that says what this store supports, if `spec` asks for more."""
    if spec.type not in (IndexType.AUTO, IndexType.FLAT, IndexType.HNSW):
        raise invalid_field(
            "index.type", f"the embedded store builds auto, flat and hnsw, not {spec.type}; leave it auto"
        )
    for name, value in spec.parameters.items():
        _check_parameter(spec.type, name, value)


def _check_parameter(kind: IndexType, name: str, value: int) -> None:
    if kind is IndexType.FLAT or name not in _PARAMETERS:
        takes = "no parameters" if kind is IndexType.FLAT else "m and ef_construct"
        raise invalid_field("index.parameters", f"a {kind} index takes {takes}, not {name!r}")
    _, least, most = _PARAMETERS[name]
    if not least <= value <= most:
        raise invalid_field("index.parameters", f"{name} must be {least} to {most}")
