"""From an IndexSpec to Milvus's index and search parameters."""

from collections.abc import Mapping
from dataclasses import dataclass

from soutu.domain.collection import IndexSpec, IndexType
from soutu.domain.errors import invalid_field

MOST_FOUND = 16_384  # Milvus takes no larger limit
WIDER = 8  # times the candidates, where a filter leaves points out or too few were found
_GRAPH_MOST = 32_768  # candidates
_IVF = {"nlist": (128, 1, 65_536)}
# Name in the contract: default (0: Milvus's own), least, most.
_PARAMETERS: Mapping[IndexType, Mapping[str, tuple[int, int, int]]] = {
    IndexType.FLAT: {},
    IndexType.HNSW: {"m": (16, 4, 128), "ef_construct": (100, 8, 2048)},
    IndexType.DISKANN: {"max_degree": (0, 1, 512), "search_list_size": (0, 16, 4096)},
    IndexType.IVF_FLAT: _IVF,
    IndexType.IVF_SQ8: _IVF,
    # Milvus builds from 1,024 rows on, which is as many as ten bits need to be trained.
    IndexType.IVF_PQ: {**_IVF, "m": (0, 1, 32_768), "nbits": (8, 1, 10)},
}
_NAMES = {(IndexType.HNSW, "m"): "M", (IndexType.HNSW, "ef_construct"): "efConstruction"}
_SEARCHED_BY = {IndexType.HNSW: "ef", IndexType.DISKANN: "search_list"}
_CANDIDATES = {IndexType.HNSW: 64, IndexType.DISKANN: 64}
_LISTS_PROBED = 16
_REFINED = {IndexType.IVF_SQ8: 4, IndexType.IVF_PQ: 16}


@dataclass(frozen=True, slots=True)
class Plan:
    """How one generation is built and searched.

    Of the kinds that keep vectors with less precision, `refined` times as many points are fetched, with their
    vectors, and scored anew; 1 for the others.
    """

    kind: IndexType
    dimension: int
    build: Mapping[str, int]
    candidates: int

    @property
    def exact(self) -> bool:
        """Whether a search compares with every vector."""
        return self.kind is IndexType.FLAT

    @property
    def refined(self) -> int:
        """How many times as many points are fetched and scored anew."""
        return _REFINED.get(self.kind, 1)

    def search(self, candidates: int, reach: int, *, wider: bool = False) -> Mapping[str, int]:
        """The parameters of a search for `reach` points with a candidate list of this size, 0 for the usual:
        ef of HNSW, search_list of DISKANN, nprobe of IVF."""
        size = (candidates or self.candidates) * (WIDER if wider else 1)
        if name := _SEARCHED_BY.get(self.kind):
            return {name: min(max(size, reach), _GRAPH_MOST)}
        return {} if self.exact else {"nprobe": min(size, self.build["nlist"])}


def plan_for(dimension: int, spec: IndexSpec) -> Plan:
    """The plan for `spec`; FIELD_INVALID for what Milvus cannot build."""
    check_spec(spec, dimension)
    kind = _kind(spec)
    chosen = {name: spec.parameters.get(name, default) for name, (default, _, _) in _PARAMETERS[kind].items()}
    if kind is IndexType.IVF_PQ and not chosen["m"]:
        chosen["m"] = _parts(dimension)
    build = {_NAMES.get((kind, name), name): value for name, value in chosen.items() if value}
    return Plan(kind, dimension, build, spec.candidates or _CANDIDATES.get(kind, _LISTS_PROBED))


def check_spec(spec: IndexSpec, dimension: int) -> None:
    """FIELD_INVALID with the sentence that says what Milvus takes, if `spec` asks for anything else."""
    kind = _kind(spec)
    known = _PARAMETERS[kind]
    for name, value in spec.parameters.items():
        if name not in known:
            takes = " and ".join(known) or "no parameters"
            raise invalid_field("index.parameters", f"a {spec.type} index takes {takes}, not {name!r}")
        _, least, most = known[name]
        if not least <= value <= most:
            raise invalid_field("index.parameters", f"{name} must be {least} to {most}")
    if kind is IndexType.IVF_PQ and dimension % spec.parameters.get("m", 1):
        raise invalid_field("index.parameters", f"m must divide the model's dimension, {dimension}")


def _kind(spec: IndexSpec) -> IndexType:
    return IndexType.HNSW if spec.type is IndexType.AUTO else spec.type


def _parts(dimension: int) -> int:
    """The most parts of two components or more that a vector can be cut into evenly."""
    return next((parts for parts in range(dimension // 2, 0, -1) if dimension % parts == 0), 1)
