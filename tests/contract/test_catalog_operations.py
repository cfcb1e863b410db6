"""The Catalog port's promises on operations, their leases and their checkpoints."""

import asyncio
from itertools import pairwise

import pytest

from soutu.domain.collection import Collection
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import (
    UNFINISHED_LIMIT,
    Holding,
    Operation,
    OperationKind,
    OperationState,
    Progress,
)
from soutu.domain.writing import Checkpoint, Commit, Failure
from soutu.ports import Catalog
from tests.contract.catalog_fixtures import MovableClock, put

LEASE_S = 10.0


async def asked(catalog: Catalog, collection: Collection) -> Operation:
    request = {"source": "/photos", "limits": [1, 2]}
    return await catalog.create_operation(OperationKind.EXPORT, collection.uid, collection.id, request)


async def test_an_operation_comes_back_as_it_was_made(catalog: Catalog, pictures: Collection) -> None:
    made = await asked(catalog, pictures)
    assert await catalog.operation(made.id) == made
    assert (made.state, made.request["source"]) == (OperationState.PENDING, "/photos")
    with pytest.raises(SoutuError) as failure:
        await catalog.operation("op-none")
    assert failure.value.reason is Reason.OPERATION_NOT_FOUND


async def test_operations_are_paged_oldest_first(catalog: Catalog, pictures: Collection) -> None:
    uids = [(await asked(catalog, pictures)).uid for _ in range(4)]
    assert [found.uid for found in await catalog.operations(uids[0], 2)] == uids[1:3]


async def test_too_many_that_are_unfinished_are_refused_until_one_has_ended(
    catalog: Catalog, pictures: Collection
) -> None:
    for _ in range(UNFINISHED_LIMIT):
        await asked(catalog, pictures)
    with pytest.raises(SoutuError) as failure:
        await asked(catalog, pictures)
    assert failure.value.reason is Reason.QUEUE_FULL
    claimed = await catalog.claim_operation("me", LEASE_S)
    assert claimed
    await catalog.finish_operation(claimed.uid, "me", OperationState.SUCCEEDED, Progress())
    assert (await asked(catalog, pictures)).state is OperationState.PENDING


async def test_the_oldest_that_nobody_holds_is_claimed(
    catalog: Catalog, pictures: Collection, clock: MovableClock
) -> None:
    first, second = await asked(catalog, pictures), await asked(catalog, pictures)
    claimed = await catalog.claim_operation("me", LEASE_S)
    assert claimed is not None
    assert (claimed.uid, claimed.state, claimed.start_time) == (
        first.uid,
        OperationState.RUNNING,
        clock.now(),
    )
    assert claimed == await catalog.operation(first.id)
    other = await catalog.claim_operation("you", LEASE_S)
    assert other is not None
    assert other.uid == second.uid
    assert await catalog.claim_operation("she", LEASE_S) is None


async def test_of_those_that_renew_indexes_a_collection_has_one_at_work(
    catalog: Catalog, pictures: Collection, clock: MovableClock
) -> None:
    kinds = (OperationKind.PURGE, OperationKind.REBUILD, OperationKind.PURGE)
    asked_for = [await catalog.create_operation(kind, pictures.uid, pictures.id, {}) for kind in kinds]
    elsewhere = await catalog.create_operation(OperationKind.PURGE, pictures.uid + 1, "other", {})
    export = await asked(catalog, pictures)
    for each in (asked_for[0], elsewhere, export):
        claimed = await catalog.claim_operation("me", LEASE_S)
        assert claimed is not None
        assert claimed.uid == each.uid
    assert await catalog.claim_operation("you", LEASE_S) is None
    clock.move(LEASE_S + 1)  # the first one's process has gone: it goes on before the others begin
    again = await catalog.claim_operation("you", LEASE_S)
    assert again is not None
    assert again.uid == asked_for[0].uid
    for each in (elsewhere, export):
        await catalog.finish_operation(each.uid, "me", OperationState.SUCCEEDED, Progress())
    for before, after in pairwise(asked_for):
        assert await catalog.claim_operation("she", LEASE_S) is None
        holder = "you" if before is asked_for[0] else "she"
        await catalog.finish_operation(before.uid, holder, OperationState.SUCCEEDED, Progress())
        claimed = await catalog.claim_operation("she", LEASE_S)
        assert claimed is not None
        assert claimed.uid == after.uid


async def test_an_operation_is_claimed_by_one_only(catalog: Catalog, pictures: Collection) -> None:
    await asked(catalog, pictures)
    claims = await asyncio.gather(*(catalog.claim_operation(f"{n}", LEASE_S) for n in range(8)))
    assert sum(claim is not None for claim in claims) == 1


async def test_a_lapsed_lease_is_taken_over_and_the_former_holder_is_told(
    catalog: Catalog, pictures: Collection, clock: MovableClock
) -> None:
    operation = await asked(catalog, pictures)
    await catalog.claim_operation("me", LEASE_S)
    clock.move(LEASE_S - 1)
    assert await catalog.heartbeat(operation.uid, "me", LEASE_S, Progress(9, 3, 1)) is Holding.HELD
    clock.move(LEASE_S - 1)
    assert await catalog.claim_operation("you", LEASE_S) is None
    clock.move(2)
    assert await catalog.claim_operation("you", LEASE_S) is not None
    assert await catalog.heartbeat(operation.uid, "me", LEASE_S, Progress(9, 9, 9)) is Holding.LOST
    await catalog.finish_operation(operation.uid, "me", OperationState.FAILED, Progress())
    found = await catalog.operation(operation.id)
    assert (found.state, found.progress) == (OperationState.RUNNING, Progress(9, 3, 1))


async def test_released_operations_are_claimed_at_once(catalog: Catalog, pictures: Collection) -> None:
    operation = await asked(catalog, pictures)
    await catalog.claim_operation("former process", LEASE_S)
    await catalog.release_operations()
    again = await catalog.claim_operation("me", LEASE_S)
    assert again is not None
    assert again.uid == operation.uid


async def test_a_finished_operation_tells_how_it_ended(
    catalog: Catalog, pictures: Collection, clock: MovableClock
) -> None:
    operation = await asked(catalog, pictures)
    await catalog.claim_operation("me", LEASE_S)
    clock.move(5)
    await catalog.finish_operation(
        operation.uid,
        "me",
        OperationState.FAILED,
        Progress(5, 2, 3),
        result={"images": 2},
        error_reason="INTERNAL",
        error_message="It broke.",
    )
    found = await catalog.operation(operation.id)
    assert (found.state, found.progress, found.result) == (
        OperationState.FAILED,
        Progress(5, 2, 3),
        {"images": 2},
    )
    assert (found.error_reason, found.error_message, found.end_time) == (
        "INTERNAL",
        "It broke.",
        clock.now(),
    )
    assert await catalog.claim_operation("you", LEASE_S) is None


async def test_cancelling_asks_what_waits_and_what_runs_to_stop(
    catalog: Catalog, pictures: Collection
) -> None:
    running = await asked(catalog, pictures)
    waiting = await catalog.create_operation(OperationKind.GENERATION, pictures.uid, "pictures", {})
    await catalog.claim_operation("me", LEASE_S)
    for operation in (running, waiting):
        await catalog.request_cancel(operation.uid)
    claimed = await catalog.claim_operation("you", LEASE_S)  # so that its work tidies up
    assert claimed is not None
    assert (claimed.uid, claimed.cancel_requested) == (waiting.uid, True)
    assert (await catalog.operation(running.id)).cancel_requested
    assert await catalog.heartbeat(running.uid, "me", LEASE_S, Progress()) is Holding.STOPPING
    await catalog.finish_operation(running.uid, "me", OperationState.CANCELLED, Progress())
    await catalog.request_cancel(running.uid)  # finished: nothing to do
    assert (await catalog.operation(running.id)).state is OperationState.CANCELLED
    with pytest.raises(SoutuError) as failure:
        await catalog.request_cancel(999)
    assert failure.value.reason is Reason.OPERATION_NOT_FOUND


async def test_only_finished_operations_are_deleted(catalog: Catalog, pictures: Collection) -> None:
    operation = await asked(catalog, pictures)
    with pytest.raises(SoutuError) as failure:
        await catalog.delete_operation(operation.uid)
    assert failure.value.reason is Reason.OPERATION_UNFINISHED
    await catalog.claim_operation("me", LEASE_S)
    await catalog.finish_operation(operation.uid, "me", OperationState.CANCELLED, Progress())
    await catalog.delete_operation(operation.uid)
    with pytest.raises(SoutuError):
        await catalog.operation(operation.id)
    assert (await asked(catalog, pictures)).uid > operation.uid


async def test_a_checkpoint_is_written_with_its_shard(catalog: Catalog, pictures: Collection) -> None:
    operation = await asked(catalog, pictures)
    await catalog.claim_operation("me", LEASE_S)
    failures = tuple(Failure(f"{n}.jpg", "IMAGE_UNREADABLE", "It is damaged.") for n in range(3))
    await catalog.commit(
        pictures.uid, [put("a")], checkpoint=Checkpoint(operation.uid, "shard-1", 1, 3, failures, "me")
    )
    found = await catalog.operation(operation.id)
    assert (found.cursor, found.progress) == ("shard-1", Progress(0, 1, 3))
    first, second, third = await catalog.failures(operation.uid, 0, 10)
    assert (first[1], await catalog.failures(operation.uid, first[0], 1)) == (failures[0], [second])
    assert third[1] == failures[2]


async def test_refused_writes_become_failures_in_the_same_commit(
    catalog: Catalog, pictures: Collection
) -> None:
    operation = await asked(catalog, pictures)
    await catalog.claim_operation("me", LEASE_S)
    writes = [put("a"), put("a")]

    def reckoned(commit: Commit) -> Checkpoint:
        failures = (Failure("c", "R", "M"), *commit.refusals(writes))
        return Checkpoint(operation.uid, f"at {commit.revision}", 3, len(failures), failures, "me")

    commit = await catalog.commit(pictures.uid, writes, checkpoint=reckoned)
    assert isinstance(commit.outcomes[1], SoutuError)
    found = await catalog.operation(operation.id)
    assert (found.cursor, found.progress) == (f"at {commit.revision}", Progress(0, 3, 2))
    failures = [failure for _, failure in await catalog.failures(operation.uid, 0, 10)]
    assert [(each.subject, each.reason) for each in failures] == [("c", "R"), ("a", "IMAGE_EXISTS")]


@pytest.mark.parametrize("owner", ["", "somebody else"])
async def test_a_shard_of_a_stopped_or_lost_operation_is_not_written(
    catalog: Catalog, pictures: Collection, owner: str
) -> None:
    operation = await asked(catalog, pictures)
    await catalog.claim_operation("me", LEASE_S)
    if not owner:
        await catalog.finish_operation(operation.uid, "me", OperationState.CANCELLED, Progress())
    with pytest.raises(SoutuError) as failure:
        await catalog.commit(
            pictures.uid, [put("a")], checkpoint=Checkpoint(operation.uid, "c", 1, 0, owner=owner)
        )
    assert failure.value.reason is Reason.IMAGE_CHANGED_MEANWHILE
    assert await catalog.list_images(pictures.uid, "", 9) == []
    assert (await catalog.operation(operation.id)).cursor == ""


async def test_a_deleted_collection_takes_its_operations_along(
    catalog: Catalog, pictures: Collection
) -> None:
    operation = await asked(catalog, pictures)
    await catalog.claim_operation("me", LEASE_S)
    await catalog.delete_collection(pictures.uid)
    assert await catalog.operations(0, 9) == []
    assert await catalog.heartbeat(operation.uid, "me", LEASE_S, Progress()) is Holding.STOPPING
