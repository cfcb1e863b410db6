"""How much a run stores and asks."""

from dataclasses import dataclass

CONCURRENCY = 8


@dataclass(frozen=True, slots=True)
class Scale:
    """The defaults are those of the figures in bench/results; smaller ones serve for a quick look.

    `images` pictures are stored, `queries` different ones asked for, `large` of 12 megapixels; `build` are
    built anew; `vectors` are stored without pictures, `vector_queries` asked for; `calls` repeat one query;
    `seconds` is the length of one measurement of raw inference, `overload` that of too much load; `files` are
    synced; `minutes` is the length of the soak.
    """

    images: int = 10_000
    queries: int = 600
    large: int = 64
    build: int = 3_000
    vectors: int = 50_000
    vector_queries: int = 500
    calls: int = 5_000
    seconds: float = 3.0
    overload: float = 30.0
    files: int = 80_000
    minutes: float = 30.0


FIRST_LOOK = Scale(images=300, queries=300, large=8, seconds=1.0)
