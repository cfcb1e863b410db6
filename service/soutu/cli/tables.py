"""Tables of images and what is known about them."""

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from soutu.cli.output import print_table, size_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from soutu.v1.image_pb2 import Image
    from soutu.v1.search_pb2 import Match, SearchReport, SearchResponse, StageTiming


def print_matches(answer: "SearchResponse") -> None:
    """The matches, best first, and how the answer was made."""
    from soutu.client.names import id_of

    chances = any(match.HasField("probability") for match in answer.matches)
    rows = [
        (str(rank), f"{match.score:.3f}", *_chance(match, chances), label(match.image), id_of(match.name))
        for rank, match in enumerate(answer.matches, start=1)
    ]
    columns = ("", "score", *(("chance",) if chances else ()), "picture", "id")
    print_table(columns, rows, right=("", "score", "chance"))
    print(report_line(answer.report))


def _chance(match: "Match", shown: bool) -> tuple[str, ...]:
    return (f"{match.probability:.1%}",) if shown else ()


def report_line(report: "SearchReport") -> str:
    """How an answer was made, such as `descriptor@1 · decode 2.1 ms, embed 11.8 ms, nearest 0.4 ms`."""
    from soutu.client.names import id_of

    stages = ", ".join(
        f"{timing.stage} {timing.duration.ToNanoseconds() / 1e6:.1f} ms" for timing in report.stages
    )
    return " · ".join(filter(None, [id_of(report.model), "cached" if report.cached else "", stages]))


def milliseconds(stages: "Iterable[StageTiming]") -> float:
    """How long the stages took together."""
    return sum(timing.duration.ToNanoseconds() for timing in stages) / 1e6


def label(image: "Image") -> str:
    """What a person knows an image by: a title that says more than its file's name, else its file's path."""
    path = PurePosixPath(image.origin.path)
    return image.title if image.title not in ("", path.name) else image.origin.path


def print_images(images: "Iterable[Image]") -> None:
    """Images, one a row."""
    from soutu.client.names import id_of

    rows = (
        (
            id_of(image.name),
            label(image),
            f"{image.content.width} × {image.content.height}",
            size_text(image.content.size_bytes),
        )
        for image in images
    )
    print_table(("id", "picture", "pixels", "size"), rows, right=("pixels", "size"))
