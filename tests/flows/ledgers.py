"""What a test was told by a server, and whether the server keeps to it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from soutu.client import Client, SoutuCallError, Upload
from soutu.v1.collection_pb2 import Generation
from tests.flows import pictures
from tests.flows.served import until

SIZE = (96, 72)
_SETTLE_S = 60.0


@dataclass
class Ledger:
    """Which pictures, by their numbers, are in force in a collection; those whose call broke off may be."""

    collection: str
    present: set[int] = field(default_factory=set)
    unsure: set[int] = field(default_factory=set)
    revision: str = ""

    def stock(self, client: Client, count: int) -> None:
        """Uploads the pictures 0 to `count` - 1 in batches."""
        uploads = [
            Upload(pictures.jpeg(number, *SIZE), {"image_id": image_id(number)}) for number in range(count)
        ]
        for number, result in enumerate(client.images.upload_many(self.collection, uploads)):
            self._settle(number, result.response.receipt.revision, present=True)

    def upload(self, client: Client, number: int) -> None:
        """Uploads the picture under its number; raises SoutuCallError, and is then unsure."""
        self.unsure.add(number)
        answer = client.images.upload(
            self.collection,
            pictures.jpeg(number, *SIZE),
            image_id=image_id(number),
            request_id=f"up-{number}",
        )
        self._settle(number, answer.receipt.revision, present=True)

    def delete(self, client: Client, number: int) -> None:
        """Deletes the picture; raises SoutuCallError, and is then unsure."""
        self.unsure.add(number)
        answer = client.images.delete(image_id(number), collection=self.collection)
        self._settle(number, answer.receipt.revision, present=False)

    def resolve(self, client: Client) -> None:
        """Asks the server what became of the calls that broke off."""
        stored = listed(client, self.collection)
        for number in self.unsure:
            (self.present.add if image_id(number) in stored else self.present.discard)(number)
        self.unsure.clear()

    def check(self, client: Client) -> None:
        """What was acknowledged is in force, nothing else is, and every READY generation has just that."""
        self.resolve(client)
        assert listed(client, self.collection) == ids(self.present)
        assert client.collections.get(self.collection).image_count == len(self.present)
        for generation in client.generations.list(self.collection):
            if generation.state == Generation.STATE_READY:
                check_index(client, generation.name, ids(self.present))

    def _settle(self, number: int, revision: str, *, present: bool) -> None:
        (self.present.add if present else self.present.discard)(number)
        self.unsure.discard(number)
        self.revision = revision


def check_index(client: Client, generation: str, expected: set[str]) -> None:
    """The generation follows to the end, holds as many points as there are images, and finds them all."""
    until(lambda: client.generations.get(generation).pending_changes == 0, _SETTLE_S)
    revision = client.generations.get(generation).followed_revision
    shown = found(client, generation, 0, min_revision=revision)
    assert sorted(shown) == sorted(expected)


def found(client: Client, where: str, number: int, min_revision: str = "", size: int = 1_000) -> list[str]:
    """The ids of all that is found with a picture, best first, page after page."""
    pages = client.search_pages(
        where, pictures.jpeg(number, *SIZE), page_size=min(size, 100), min_revision=min_revision
    )
    return [match.name.rsplit("/", 1)[1] for page in pages for match in page.matches]


def listed(client: Client, collection: str) -> set[str]:
    return {image.name.rsplit("/", 1)[1] for image in client.images.list(collection)}


def image_id(number: int) -> str:
    return f"p{number}"


def ids(numbers: Iterable[int]) -> set[str]:
    return {image_id(number) for number in numbers}


@contextmanager
def until_killed() -> Iterator[None]:
    """Lets calls fail that broke off because their server was killed."""
    try:
        yield
    except SoutuCallError as error:
        if error.status not in ("UNAVAILABLE", "CANCELLED") or error.reason:
            raise
    except ValueError as error:  # grpc's, for a channel that was closed together with the server
        if "closed channel" not in str(error):
            raise
