"""The Catalog port's promises on generations: made, published, rolled back to, forgotten."""

from dataclasses import replace

import pytest

from soutu.domain.collection import Collection, Generation, GenerationDraft, GenerationState, IndexSpec
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import ModelRef
from soutu.domain.operation import OperationKind, OperationState, Progress
from soutu.domain.writing import Failure, Remove
from soutu.ports import Catalog
from tests.contract.catalog_fixtures import MODEL, MovableClock, at, content, put, vector

OTHER = ModelRef("other", "2")
BY_OTHER = GenerationDraft("second", OTHER, 8, IndexSpec(parameters={"m": 8}, candidates=50))


async def made(catalog: Catalog, collection: Collection, draft: GenerationDraft = BY_OTHER) -> Generation:
    operation = await catalog.create_generation(collection.uid, draft, publish=False)
    return (await catalog.head(collection.id, str(operation.request["generation"]))).generation


async def ready(catalog: Catalog, collection: Collection, draft: GenerationDraft = BY_OTHER) -> Generation:
    generation = await made(catalog, collection, draft)
    await catalog.set_generation_state(generation.uid, GenerationState.READY)
    return (await catalog.head(collection.id, generation.id)).generation


def refused(reason: Reason) -> pytest.RaisesExc[SoutuError]:
    return pytest.RaisesExc(SoutuError, check=lambda error: error.reason is reason)


async def test_a_generation_is_made_with_the_operation_that_builds_it(
    catalog: Catalog, pictures: Collection, clock: MovableClock
) -> None:
    clock.move(1)
    operation = await catalog.create_generation(pictures.uid, BY_OTHER, publish=True)
    generation = (await catalog.head("pictures", "second")).generation
    assert (generation.model, generation.dimension, generation.index) == (OTHER, 8, BY_OTHER.index)
    assert (generation.state, generation.followed) == (GenerationState.BUILDING, 0)
    assert (generation.create_time, generation.publish_time) == (clock.now(), None)
    assert operation == await catalog.operation(operation.id)
    assert (operation.kind, operation.state) == (OperationKind.GENERATION, OperationState.PENDING)
    assert (operation.collection_uid, operation.collection_id) == (pictures.uid, "pictures")
    assert operation.request == {"generation": "second", "uid": generation.uid, "publish": True}
    assert (await catalog.head("pictures")).generation.id == "g1"


async def test_a_taken_id_is_refused_and_leaves_no_operation(catalog: Catalog, pictures: Collection) -> None:
    await made(catalog, pictures)
    with refused(Reason.GENERATION_EXISTS):
        await catalog.create_generation(pictures.uid, BY_OTHER, publish=False)
    with refused(Reason.COLLECTION_NOT_FOUND):
        await catalog.create_generation(999, BY_OTHER, publish=False)
    assert len(await catalog.operations(0, 9)) == 1


async def test_one_without_an_id_gets_the_first_free_number(catalog: Catalog, pictures: Collection) -> None:
    unnamed = replace(BY_OTHER, id="")
    names = [(await made(catalog, pictures, unnamed)).id for _ in range(3)]
    assert names == ["g2", "g3", "g4"]
    await catalog.delete_generation((await catalog.head("pictures", "g3")).generation)
    assert (await made(catalog, pictures, unnamed)).id == "g3"


async def test_publishing_needs_the_very_revision(
    catalog: Catalog, pictures: Collection, clock: MovableClock
) -> None:
    generation = await ready(catalog, pictures)
    await catalog.commit(pictures.uid, [put("a")])
    clock.move(1)
    assert not await catalog.publish_generation(generation, at(0))
    assert (await catalog.head("pictures")).generation.id == "g1"
    assert await catalog.publish_generation(generation, at(1))
    active = (await catalog.head("pictures")).generation
    assert (active.id, active.publish_time) == ("second", clock.now())
    assert (await catalog.head("pictures", "g1")).generation.state is GenerationState.READY


async def test_only_a_ready_generation_that_exists_is_published(
    catalog: Catalog, pictures: Collection
) -> None:
    generation = await made(catalog, pictures)
    with refused(Reason.GENERATION_UNREADY):
        await catalog.publish_generation(generation, at(0))
    await catalog.delete_generation(generation)
    with refused(Reason.GENERATION_NOT_FOUND):
        await catalog.publish_generation(generation, at(0))


async def test_the_active_generation_is_not_deleted(catalog: Catalog, pictures: Collection) -> None:
    first = (await catalog.head("pictures")).generation
    with refused(Reason.GENERATION_ACTIVE):
        await catalog.delete_generation(first)
    await catalog.publish_generation(await ready(catalog, pictures), at(0))
    await catalog.delete_generation(first)
    assert [each.id for each in await catalog.generations(pictures.uid)] == ["second"]


async def test_embeddings_go_with_the_last_generation_of_their_model(
    catalog: Catalog, pictures: Collection
) -> None:
    one, other = await made(catalog, pictures), await made(catalog, pictures, replace(BY_OTHER, id="third"))
    await catalog.commit(pictures.uid, [put("a", embeddings={MODEL: vector(1), OTHER: vector(2)})])
    sha256 = content("a").sha256
    await catalog.delete_generation(one)
    assert list(await catalog.embeddings(OTHER, [sha256])) == [sha256]
    await catalog.delete_generation(other)
    assert await catalog.embeddings(OTHER, [sha256]) == {}
    assert list(await catalog.embeddings(MODEL, [sha256])) == [sha256]


async def test_what_a_model_has_still_to_embed_is_counted(catalog: Catalog, pictures: Collection) -> None:
    assert await catalog.unembedded(pictures.uid, OTHER) == 0
    both = {MODEL: vector(1), OTHER: vector(2)}
    await catalog.commit(pictures.uid, [put("a"), put("b"), put("c", embeddings=both), put("d", "b")])
    assert await catalog.unembedded(pictures.uid, MODEL) == 0
    assert await catalog.unembedded(pictures.uid, OTHER) == 3
    await catalog.store_embeddings(OTHER, {content("b").sha256: vector(3)})
    assert await catalog.unembedded(pictures.uid, OTHER) == 1


async def test_a_failed_generation_keeps_no_tombstone_back(
    catalog: Catalog, pictures: Collection, clock: MovableClock
) -> None:
    generation = await made(catalog, pictures)
    await catalog.commit(pictures.uid, [put("a"), Remove("a")])
    await catalog.set_followed((await catalog.head("pictures")).generation.uid, 2)
    clock.move(60)
    await catalog.prune(clock.now())
    assert len(await catalog.changes(pictures.uid, MODEL, 0, 9)) == 1
    await catalog.set_generation_state(generation.uid, GenerationState.FAILED)
    await catalog.prune(clock.now())
    assert await catalog.changes(pictures.uid, MODEL, 0, 9) == []


async def test_deleting_a_collection_takes_its_generations_along(
    catalog: Catalog, pictures: Collection
) -> None:
    await made(catalog, pictures)
    await catalog.delete_collection(pictures.uid)
    assert await catalog.generations() == []
    assert await catalog.operations(0, 9) == []


async def test_what_a_generation_cannot_take_over_is_kept_with_its_operation(
    catalog: Catalog, pictures: Collection
) -> None:
    operation = await catalog.create_generation(pictures.uid, BY_OTHER, publish=False)
    await catalog.create_operation(OperationKind.BUILD, pictures.uid, "pictures", {})
    uid = int(str(operation.request["uid"]))
    failures = [Failure(name, "ORIGINAL_GONE", "It is gone.") for name in ("a", "b")]
    await catalog.set_followed(uid, 3, failures[:1])
    await catalog.set_followed(uid, 5, failures[1:])
    assert [each for _, each in await catalog.failures(operation.uid, 0, 9)] == failures
    await catalog.set_followed(uid, 0)  # the index was lost: all of it comes again
    assert await catalog.failures(operation.uid, 0, 9) == []
    await catalog.set_followed(uid, 3, failures[:1])
    await catalog.claim_operation("me", 30)
    await catalog.finish_operation(operation.uid, "me", OperationState.SUCCEEDED, Progress())
    await catalog.set_followed(uid, 6, failures[1:])
    assert [each for _, each in await catalog.failures(operation.uid, 0, 9)] == failures[:1]
