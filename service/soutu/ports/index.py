"""The vector index, and what is known of how far it has followed."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from soutu.domain.collection import Generation, IndexSpec
from soutu.domain.embedding import Vectors
from soutu.domain.filter import Filter
from soutu.domain.query import EVERYTHING, Candidate, Point, Scope


class VectorIndex(Protocol):
    """Holds the vectors of generations, each under its uid, and finds nearest ones by inner product.

    It can be made again from the catalogue at any time, and says so itself when it has lost something.
    """

    def check(self, spec: IndexSpec, dimension: int) -> None:
        """FIELD_INVALID, saying what this store builds, if it cannot build what `spec` asks for of vectors of
        this dimension."""
        ...

    async def open(self, generation: int, dimension: int, spec: IndexSpec) -> bool:
        """Makes the generation's index ready, creating it if need be. False says that it is empty: it never
        held a point, or what was there could not be used and has been set aside. The caller then follows
        from revision 0, and records that before its first write: from then on the answer is True."""
        ...

    async def write(self, generation: int, points: Sequence[Point], gone: Sequence[int]) -> None:
        """Inserts or overwrites `points` and forgets the uids `gone`; searched by when it returns."""
        ...

    async def persist(self, generation: int) -> None:
        """Returns once everything written survives a power cut."""
        ...

    async def nearest(
        self,
        generation: int,
        vectors: Vectors,
        limit: int,
        *,
        candidates: int = 0,
        scope: Scope = EVERYTHING,
        revision: int = 0,
    ) -> Sequence[Sequence[Candidate]]:
        """For each row of `vectors` (n, dimension) its `limit` best points of the scope, best first (ties:
        smaller uid first). Fewer only if the scope has fewer. Every point that satisfies the scope's filter
        is in the scope; points that do not may be, so whoever asks looks at what comes back. `candidates` is
        the candidate-list size, 0 the usual."""
        ...

    def narrows(self, filter_: Filter) -> bool:
        """Whether a scope with this filter has hardly any points that do not satisfy it."""
        ...

    async def entries(self, generation: int, after: int, limit: int) -> Sequence[tuple[int, int]]:
        """Up to `limit` (uid, revision) with uid > `after`, by uid: for comparing with the catalogue."""
        ...

    async def names(self, generation: int, uids: Sequence[int]) -> Mapping[int, str]:
        """The ids of images, by uid, as far as the index keeps them: for searches while the catalogue is
        away. One that lies beside its catalogue keeps none."""
        ...

    async def count(self, generation: int) -> int: ...

    async def optimize(self, generation: int) -> None:
        """Builds the structures that make searching fast; searches and writes go on meanwhile."""
        ...

    async def drop(self, generation: int) -> None: ...

    async def kept(self) -> Sequence[int]:
        """The uids of all generations that something is kept of, open or not, by uid."""
        ...

    async def close(self) -> None: ...


class Following(Protocol):
    """What is known of how far the index has followed the catalogue."""

    def check_ready(self, generation: Generation) -> None:
        """INDEX_UNREADY while the generation's index is being loaded or made again."""
        ...

    def followed(self, generation: Generation) -> int:
        """The collection's revision up to which searches of the generation show everything."""
        ...

    async def reached(self, generation: Generation, revision: int, timeout_s: float) -> bool:
        """Waits until searches show everything up to `revision`; false when the time was too short."""
        ...

    def suspect(self, generation: Generation, uids: Sequence[int]) -> None:
        """Has these points compared with the catalogue again."""
        ...
