"""Random sequences of everything that changes a collection, against a few dictionaries.

The server is a real one in a process of its own. A failing sequence is shrunk, printed as the calls that make
it, with the seed, and kept in tests/.examples: commit what it leaves there, and it is played first from then
on. `--seed N` plays the sequences of another seed.
"""

import itertools
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from soutu.client import Client, Query, Upload
from soutu.client.uploads import UploadFields
from soutu.v1.collection_pb2 import Index
from soutu.v1.image_service_pb2 import (
    ON_CONFLICT_FAIL,
    ON_CONFLICT_REPLACE,
    ON_DUPLICATE_CREATE,
    ON_DUPLICATE_REJECT,
    ON_DUPLICATE_RETURN_EXISTING,
    OnConflict,
    OnDuplicate,
)
from tests.flows import pictures
from tests.flows.elsewhere import Places
from tests.flows.ledgers import listed
from tests.flows.models import SECOND, add_second_model
from tests.flows.refusals import refused
from tests.flows.served import Served
from tests.flows.shelves import SIZE, Kept, Scores, Shelf, assert_agrees

DONE_S = 60.0
QUICK_SEED = 1
SWEEPING = {"SOUTU_OBJECTS_SWEEP_GRACE_S": "1", "SOUTU_OBJECTS_SWEEP_INTERVAL_S": "0.3"}
NAMES = st.sampled_from(["one", "two"])
IDS = st.sampled_from(["a", "b", "c", "d"])
NUMBERS = st.integers(0, 7)
CONFLICT = st.sampled_from([ON_CONFLICT_FAIL, ON_CONFLICT_REPLACE])
DUPLICATE = st.sampled_from([ON_DUPLICATE_CREATE, ON_DUPLICATE_RETURN_EXISTING, ON_DUPLICATE_REJECT])
GENERATIONS = st.sampled_from(["second", "third"])


class Sequence(RuleBasedStateMachine):
    """Two collections of a server and what they should hold. Every write is followed by a search that must
    show nothing deleted; `agree` waits for the index and compares everything."""

    server: ClassVar[Served]
    sources: ClassVar[Path]
    scores: ClassVar[Scores] = Scores()
    kills_allowed: ClassVar[int] = 0
    numbers: ClassVar[Iterator[int]] = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.shelves: dict[str, Shelf] = {}
        self.kills = 0

    @property
    def client(self) -> Client:
        return self.server.client

    @initialize()
    def begin(self) -> None:
        for left in [each.name for each in self.client.collections.list()]:  # by a sequence that failed
            self.client.collections.delete(left, force=True)
        for name in ("one", "two"):
            self._create(name)
            self.upload_batch(name, [("a", 0), ("b", 1), ("c", 2)])

    @rule(name=NAMES, image=IDS, number=NUMBERS, conflict=CONFLICT, duplicate=DUPLICATE)
    def upload(
        self,
        name: str,
        image: str,
        number: int,
        conflict: OnConflict.ValueType,
        duplicate: OnDuplicate.ValueType,
    ) -> None:
        shelf, twin = self.shelves[name], self.shelves[name].alike(number, besides=image)
        taken = image in shelf.images and conflict == ON_CONFLICT_FAIL
        fields: UploadFields = {"image_id": image, "on_conflict": conflict, "on_duplicate": duplicate}
        if taken or (twin and duplicate == ON_DUPLICATE_REJECT):
            with refused("IMAGE_EXISTS" if taken else "CONTENT_EXISTS"):
                self.client.images.upload(name, pictures.jpeg(number, *SIZE), **fields)
            return
        kept = twin if duplicate == ON_DUPLICATE_RETURN_EXISTING else ""
        if not kept:
            shelf.images[image] = Kept(number)
        fields["request_id"] = f"upload-{next(self.numbers)}"
        for _ in range(2):  # the second is a retry: it gets the first answer and changes nothing
            answer = self.client.images.upload(name, pictures.jpeg(number, *SIZE), **fields)
            assert answer.image.name.endswith(f"/{kept or image}")
            self._written(name, answer.receipt.revision)

    @rule(name=NAMES, puts=st.lists(st.tuples(IDS, NUMBERS), min_size=1, max_size=4))
    def upload_batch(self, name: str, puts: list[tuple[str, int]]) -> None:
        uploads = [Upload(pictures.jpeg(number, *SIZE), {"image_id": image}) for image, number in puts]
        results = list(self.client.images.upload_many(name, uploads))
        refusals = [self.shelves[name].put(image, number) for image, number in puts]
        assert [bool(result.status.code) for result in results] == [bool(reason) for reason in refusals]
        for result in results:
            if not result.status.code:
                self._written(name, result.response.receipt.revision)

    @rule(name=NAMES, image=IDS, title=st.sampled_from(["red", "blue"]))
    def update(self, name: str, image: str, title: str) -> None:
        if image not in self.shelves[name].images:
            with refused("IMAGE_NOT_FOUND"):
                self.client.images.update(image, collection=name, title=title)
            return
        answer = self.client.images.update(image, collection=name, title=title)
        self.shelves[name].retitle(image, title)
        self._written(name, answer.receipt.revision)

    @rule(name=NAMES, image=IDS)
    def delete(self, name: str, image: str) -> None:
        if self.shelves[name].images.pop(image, None) is None:
            with refused("IMAGE_NOT_FOUND"):
                self.client.images.delete(image, collection=name)
            return
        answer = self.client.images.delete(image, collection=name)
        self._written(name, answer.receipt.revision)

    @rule(name=NAMES, images=st.lists(IDS, min_size=1, max_size=4, unique=True))
    def delete_batch(self, name: str, images: list[str]) -> None:
        answer = self.client.images.delete_many(name, images)
        there = [self.shelves[name].images.pop(image, None) is not None for image in images]
        assert [not status.code for status in answer.statuses] == there
        self._written(name, answer.receipt.revision)

    @rule(name=NAMES)
    def recreate(self, name: str) -> None:
        self.client.collections.delete(name, force=True)
        with refused("COLLECTION_NOT_FOUND"):
            self.client.search(name, pictures.jpeg(0, *SIZE))
        self._create(name)
        self._shows_nothing_else(name)

    @rule(name=NAMES, numbers=st.sets(NUMBERS, min_size=1, max_size=5), kill=st.integers(0, 3))
    def build(self, name: str, numbers: set[int], kill: int) -> None:
        source = self.sources / f"s{next(self.numbers)}"
        source.mkdir()
        for number in numbers:
            (source / f"p{number}.jpg").write_bytes(pictures.jpeg(number, *SIZE))
        for kind, (poison, _) in pictures.poison().items():
            (source / f"{kind}.jpg").write_bytes(poison)
        operation = self.client.collections.build(name, source).name
        self._maybe_kill(kill == 3)
        assert not self.client.operations.wait(operation, DONE_S).HasField("error")
        assert len(list(self.client.operations.failures(operation))) == len(pictures.poison())
        for image in sorted(self.client.images.list(name), key=lambda image: int(image.uid)):
            if image.origin.source == str(source):
                number = int(image.origin.path.removeprefix("p").removesuffix(".jpg"))
                self.shelves[name].images[image.name.rsplit("/", 1)[1]] = Kept(number, image.origin.path)
                numbers.remove(number)
        assert not numbers
        self.shelves[name].revision = self.client.collections.get(name).revision

    @rule(
        name=NAMES,
        generation=GENERATIONS,
        model=st.sampled_from(["", SECOND]),
        m=st.integers(4, 9),
        kill=st.integers(0, 3),
    )
    def create_generation(self, name: str, generation: str, model: str, m: int, kill: int) -> None:
        shelf, generations = self.shelves[name], self.client.generations
        if generation in shelf.generations:
            with refused("GENERATION_EXISTS"):
                generations.create(name, generation, model=model)
            return
        model = model or shelf.generations[shelf.active]
        operation = generations.create(name, generation, model=model, index=Index(parameters={"m": m})).name
        self._maybe_kill(kill == 3)
        assert not self.client.operations.wait(operation, DONE_S).HasField("error")
        shelf.generations[generation] = model

    @rule(name=NAMES, generation=GENERATIONS)
    def cancel_generation(self, name: str, generation: str) -> None:
        """It may have been built before it was asked to stop; either way it is taken away."""
        if generation in self.shelves[name].generations:
            return
        operation = self.client.generations.create(name, generation, model=SECOND)
        operation.cancel()
        ended = self.client.operations.wait(operation.name, DONE_S)
        assert not ended.HasField("error") or "cancelled" in ended.error.message
        self.client.generations.delete(generation, name)

    @rule(name=NAMES, generation=GENERATIONS)
    def publish(self, name: str, generation: str) -> None:
        if generation not in self.shelves[name].generations:
            with refused("GENERATION_NOT_FOUND"):
                self.client.generations.publish(generation, name)
            return
        self.client.generations.publish(generation, name)
        self.shelves[name].publish(generation)
        self._shows_nothing_else(name)

    @rule(name=NAMES)
    def roll_back(self, name: str) -> None:
        former = self.shelves[name].former()
        if not former:
            with refused("GENERATION_UNREADY"):
                self.client.generations.roll_back(name)
            return
        assert self.client.generations.roll_back(name).active_generation.endswith(f"/{former}")
        self.shelves[name].publish(former)
        self._shows_nothing_else(name)

    @rule(name=NAMES, generation=st.sampled_from(["g1", "second", "third"]))
    def delete_generation(self, name: str, generation: str) -> None:
        shelf = self.shelves[name]
        if generation not in shelf.generations:
            with refused("GENERATION_NOT_FOUND"):
                self.client.generations.delete(generation, name)
        elif generation == shelf.active:
            with refused("GENERATION_ACTIVE"):
                self.client.generations.delete(generation, name)
        else:
            self.client.generations.delete(generation, name)
            shelf.forget(generation)

    @rule(name=NAMES, query=NUMBERS, by=st.sampled_from(["picture", "vector", "image"]))
    def agree(self, name: str, query: int, by: str) -> None:
        """Every generation finds every image, with the score that numpy has for it."""
        shelf = self.shelves[name]
        for generation, model in shelf.generations.items():
            where, images = f"collections/{name}/generations/{generation}", dict(shelf.images)
            subject: Query = pictures.jpeg(query, *SIZE)
            if by == "vector":
                subject = self.scores.vector(self.client, model, query)
            if by == "image" and images:
                subject = min(images)
                query = images.pop(str(subject)).picture
            answer = self.client.search(where, subject, page_size=100, min_revision=shelf.revision)
            assert_agrees(answer.matches, self.scores.of(self.client, model, query, images), list(images))
            titles = {match.name.rsplit("/", 1)[1]: match.image.title for match in answer.matches}
            assert titles == {image: kept.title for image, kept in images.items()}

    @precondition(lambda self: self.kills < self.kills_allowed)
    @rule(how=st.sampled_from(["stop", "kill"]))
    def restart(self, how: str) -> None:
        self.kills += 1
        (self.server.stop if how == "stop" else self.server.kill)()
        self.server.restart()

    def teardown(self) -> None:
        for name, shelf in self.shelves.items():
            self.agree(name, 0, "picture")
            assert listed(self.client, name) == set(shelf.images)
            for image in shelf.images:
                self.client.images.thumbnail(image, collection=name)  # no sweep has taken its bytes
            self.client.collections.delete(name, force=True)

    def _create(self, name: str) -> None:
        made = self.client.collections.create(name)
        self.shelves[name] = Shelf(revision=made.revision)

    def _written(self, name: str, revision: str) -> None:
        self.shelves[name].revision = revision
        self._shows_nothing_else(name)

    def _shows_nothing_else(self, name: str) -> None:
        """Followed or not, a search shows only what there is."""
        answer = self.client.search(name, pictures.jpeg(0, *SIZE), page_size=100)
        assert {match.name.rsplit("/", 1)[1] for match in answer.matches} <= set(self.shelves[name].images)

    def _maybe_kill(self, kill: bool) -> None:
        if kill and self.kills < self.kills_allowed:
            self.kills += 1
            self.server.kill()
            self.server.restart()


def play(server: Served, chosen: int, *, examples: int, steps: int, kills: int) -> None:
    """Plays `examples` sequences of up to `steps` calls on the server, each with at most `kills` restarts."""
    print(f"seed {chosen}")
    Sequence.server, Sequence.sources = server, server.data_dir.parent
    Sequence.kills_allowed = kills
    run_state_machine_as_test(
        seed(chosen)(Sequence),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=DirectoryBasedExampleDatabase(Path(__file__).parents[1] / ".examples"),
            print_blob=True,
            report_multiple_bugs=False,
            phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture(scope="module")
def sweeping_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that sweeps all the time, with a second model; it reads below its own directory."""
    with sweeping(tmp_path_factory.mktemp("model"), {}) as served:
        yield served


@pytest.fixture(scope="module")
def stack_server(whole_stack: Places, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The same on the whole stack."""
    directory = tmp_path_factory.mktemp("model")
    with sweeping(directory, whole_stack.of(directory)) as served:
        yield served


@contextmanager
def sweeping(directory: Path, parts: Mapping[str, str]) -> Iterator[Served]:
    with Served(directory, [directory], {**parts, **SWEEPING}) as served:
        add_second_model(served.data_dir)
        yield served


def test_random_sequences_agree_with_the_model(
    sweeping_server: Served,
) -> None:
    play(sweeping_server, QUICK_SEED, examples=4, steps=15, kills=0)


@pytest.mark.slow
def test_many_random_sequences_agree_with_the_model(
    sweeping_server: Served, pytestconfig: pytest.Config
) -> None:
    chosen = int(pytestconfig.getoption("--seed")) or random.randrange(1, 1 << 32)
    play(sweeping_server, chosen, examples=10, steps=25, kills=2)


@pytest.mark.slow
def test_random_sequences_on_the_stack_agree_with_the_model(
    stack_server: Served, pytestconfig: pytest.Config
) -> None:
    chosen = int(pytestconfig.getoption("--seed")) or random.randrange(1, 1 << 32)
    play(stack_server, chosen, examples=3, steps=12, kills=1)
