"""Two services that are told and asked the same: one with all its parts in the process, one on the stack."""

import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from scripts.stack.places import ROOT
from soutu.client import Client
from soutu.v1.image_pb2 import Image
from soutu.v1.search_pb2 import Match
from tests.flows import pictures
from tests.flows.elsewhere import Places
from tests.flows.models import add_second_model
from tests.flows.served import Embedded

GROCERY = ROOT.parent / "shared" / "datasets" / "grocery.tar.gz"
NEAR = 1e-3
# Embedded vectors are summed as float16, Milvus's as float32: scores that are nearer than this have no order.
EVEN = 1e-4
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pair:
    """The two services; `prefix` begins the names of the second one's collections in Milvus."""

    embedded: Client
    on_stack: Client
    prefix: str

    def told(self, call: Callable[[Client], T]) -> T:
        """What both answer to a call that changes something; AssertionError where that is not the same."""
        ours, theirs = call(self.embedded), call(self.on_stack)
        assert ours == theirs, f"{ours} is not {theirs}"
        return ours

    def alike(self, ask: Callable[[Client], Sequence[Match]]) -> Sequence[Match]:
        """The matches that the embedded one finds; AssertionError where the other's are not the same."""
        ours, theirs = ask(self.embedded), ask(self.on_stack)
        assert_alike(ours, theirs)
        return ours


@contextmanager
def pair(directory: Path, places: Places) -> Iterator[Pair]:
    """The services, with their data in `directory`, below which they read; both have the second model."""
    wait = {"SOUTU_INDEX_INDEXED_WAIT_S": "30"}
    one, other = directory / "embedded", directory / "on-stack"
    for each in (one, other):
        add_second_model(each / "data")
    settings = places.of(other)
    with (
        Embedded(one, [directory], wait) as embedded,
        Embedded(other, [directory], {**wait, **settings}) as on_stack,
        Client(embedded.address, timeout_s=120) as ours,
        Client(on_stack.address, timeout_s=120) as theirs,
    ):
        yield Pair(ours, theirs, settings["SOUTU_INDEX_PREFIX"])


def photos(count: int) -> list[tuple[str, bytes]]:
    """Pictures with their categories: photos of the Grocery Store dataset where that is here, else drawn."""
    if GROCERY.exists():
        with tarfile.open(GROCERY) as archive:
            return list(islice(_training_photos(archive), count))
    return [(f"k{seed % 25}", pictures.jpeg(seed, 128, 96)) for seed in range(count)]


def _training_photos(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in archive:
        path = Path(member.name)
        if "train" in path.parts and path.suffix == ".jpg":
            content = archive.extractfile(member)
            assert content, f"{member.name} is no file"
            yield path.parent.name, content.read()


def assert_alike(ours: Sequence[Match], theirs: Sequence[Match]) -> None:
    """The same images, with what is said of them, in the same order but for scores without one; scores within
    1e-3."""
    assert len(ours) == len(theirs)
    places = {match.name: place for place, match in enumerate(theirs)}
    for place, match in enumerate(ours):
        assert abs(match.score - theirs[place].score) < NEAR, (place, match.name)
        if match.name not in places:  # it was cut off there, as one just as good was here
            assert ours[-1].score + EVEN > match.score, f"{match.name} is missing: {match.score}"
            continue
        other = theirs[places[match.name]]
        assert abs(theirs[place].score - other.score) < EVEN, f"{match.name} is at place {places[match.name]}"
        assert said(match.image) == said(other.image)


def said(image: Image) -> Image:
    """What is said of the image, without what each service gives it by itself."""
    copy = Image()
    copy.CopyFrom(image)
    copy.uid = copy.etag = ""
    copy.ClearField("create_time")
    copy.ClearField("update_time")
    return copy


def names(matches: Sequence[Match]) -> list[str]:
    return [match.name.rpartition("/")[2] for match in matches]


def recall(found: Sequence[Sequence[str]], true: Sequence[Sequence[str]]) -> float:
    """The share of the true matches that were found, over all queries."""
    shared = sum(len(set(one) & set(other)) for one, other in zip(found, true, strict=True))
    return shared / sum(map(len, true))
