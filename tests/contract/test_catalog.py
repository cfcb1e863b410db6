"""The Catalog port's promises on collections, images and what follows from them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from soutu.domain.collection import (
    AttributeType,
    Collection,
    CollectionChanges,
    CollectionDraft,
    GenerationState,
    IndexSpec,
    IndexType,
)
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Keeping, Metadata, Origin, Original
from soutu.domain.labels import Label, LabelSet, PredictedLabel
from soutu.domain.model import ModelRef
from soutu.domain.writing import (
    OnConflict,
    OnDuplicate,
    Put,
    Relabel,
    Remove,
    Request,
    Revise,
    Write,
    Written,
)
from soutu.ports import Catalog
from tests.contract.catalog_fixtures import (
    DRAFT,
    MODEL,
    MovableClock,
    content,
    image_written,
    put,
    reason,
    written,
)

REPLACE = OnConflict.REPLACE
CAT = (PredictedLabel("animals", "cat", 0.75), PredictedLabel("places", "山", 0.125))


# Collections and generations


async def test_a_collection_comes_back_as_it_was_made(catalog: Catalog, clock: MovableClock) -> None:
    draft = CollectionDraft(
        "holiday",
        ModelRef("vit", "3"),
        512,
        IndexSpec(IndexType.HNSW, {"m": 32}, 128),
        "Holiday",
        "Sea and \u5c71",
        {"stars": AttributeType.INTEGER, "when": AttributeType.TIMESTAMP},
    )
    made = await catalog.create_collection(draft)
    head = await catalog.head("holiday")
    assert head.collection == made
    assert made.attributes == draft.attributes
    assert (made.revision, made.image_count, made.create_time) == (0, 0, clock.now())
    assert made.create_time.tzinfo is UTC
    assert (head.generation.model, head.generation.index) == (draft.model, draft.index)
    assert (head.generation.state, head.generation.followed) == (GenerationState.READY, 0)
    assert made.active_generation == head.generation.uid


async def test_an_id_is_taken_once(catalog: Catalog, pictures: Collection) -> None:
    with pytest.raises(SoutuError) as failure:
        await catalog.create_collection(DRAFT)
    assert failure.value.reason is Reason.COLLECTION_EXISTS
    assert [found.id for found in await catalog.collections("", 10)] == ["pictures"]


async def test_unknown_heads_say_what_is_missing(catalog: Catalog, pictures: Collection) -> None:
    with pytest.raises(SoutuError) as no_collection:
        await catalog.head("nothing")
    with pytest.raises(SoutuError) as no_generation:
        await catalog.head("pictures", "g9")
    assert no_collection.value.reason is Reason.COLLECTION_NOT_FOUND
    assert no_generation.value.reason is Reason.GENERATION_NOT_FOUND
    assert (await catalog.head("pictures", "g1")).generation.id == "g1"


async def test_collections_are_paged_by_id(catalog: Catalog) -> None:
    for name in ("b", "d", "a", "c"):
        await catalog.create_collection(replace(DRAFT, id=name))
    assert [found.id for found in await catalog.collections("a", 2)] == ["b", "c"]


async def test_followed_revision_and_state_are_kept_and_may_go_back(
    catalog: Catalog, pictures: Collection
) -> None:
    generation = (await catalog.generations(pictures.uid))[0]
    for followed in (7, 7, 0):
        await catalog.set_followed(generation.uid, followed)
        assert (await catalog.generations())[0].followed == followed
    await catalog.set_generation_state(generation.uid, GenerationState.FAILED)
    assert (await catalog.head("pictures")).generation.state is GenerationState.FAILED
    with pytest.raises(SoutuError) as failure:
        await catalog.set_followed(999, 1)
    assert failure.value.reason is Reason.GENERATION_NOT_FOUND


async def test_a_deleted_collection_leaves_nothing_and_its_uid_is_not_used_again(
    catalog: Catalog, pictures: Collection
) -> None:
    other = await catalog.create_collection(replace(DRAFT, id="other"))
    await catalog.commit(pictures.uid, [put("a", "only here"), put("b", "shared")])
    uid = image_written(await catalog.commit(other.uid, [put("b", "shared")])).uid
    await catalog.delete_collection(pictures.uid)
    assert await catalog.images(pictures.uid, [1, 2, uid]) == {}
    assert await catalog.changes(pictures.uid, MODEL, 0, 10) == []
    assert [found.collection_uid for found in await catalog.generations()] == [other.uid]
    hashes = [content("only here").sha256, content("shared").sha256]
    assert set(await catalog.embeddings(MODEL, hashes)) == {hashes[1]}
    with pytest.raises(SoutuError) as failure:
        await catalog.commit(pictures.uid, [put("c")])
    assert failure.value.reason is Reason.COLLECTION_NOT_FOUND
    again = await catalog.create_collection(DRAFT)
    assert again.uid > other.uid
    assert image_written(await catalog.commit(again.uid, [put("a")])).uid > uid


# Images


async def test_an_image_comes_back_as_it_was_put(
    catalog: Catalog, pictures: Collection, clock: MovableClock
) -> None:
    metadata = Metadata(
        "T\u00eftle \U0001f5bc",
        ("sea", "\u6d77"),
        "https://example.org/x",
        "beach",
        4,
        {"n": 2**53 + 1, "x": 0.1, "yes": True, "at": clock.now(), "names": ("p", "q"), "s": ""},
    )
    original = Original(Keeping.REFERENCED, "/photos/" + "long/" * 400 + "a.jpg", 1_700_000_000_123_456_789)
    write = put("a", metadata=metadata, original=original, origin=Origin("/photos", "a.jpg"))
    image = image_written(await catalog.commit(pictures.uid, [write]))
    assert (image.metadata, image.original, image.origin) == (metadata, original, write.origin)
    assert (image.content, image.revision, image.create_time) == (write.content, 1, clock.now())
    assert await catalog.image(pictures.uid, "a") == image
    assert await catalog.images(pictures.uid, [image.uid, 999]) == {image.uid: image}
    assert await catalog.images_by_path(pictures.uid, "/photos", ["a.jpg", "b.jpg"]) == {"a.jpg": image}
    assert await catalog.image_ids(pictures.uid, ["a", "b"]) == {"a": image.uid}
    with pytest.raises(SoutuError) as failure:
        await catalog.image(pictures.uid, "b")
    assert failure.value.reason is Reason.IMAGE_NOT_FOUND


async def test_images_belong_to_their_collection(catalog: Catalog, pictures: Collection) -> None:
    other = await catalog.create_collection(replace(DRAFT, id="other"))
    image = image_written(await catalog.commit(pictures.uid, [put("a")]))
    assert await catalog.images(other.uid, [image.uid]) == {}
    assert (await catalog.rows(other.uid, MODEL, [image.uid]))[0].image is None


async def test_every_changed_image_moves_the_revision_by_one(catalog: Catalog, pictures: Collection) -> None:
    commit = await catalog.commit(pictures.uid, [put("a"), put("b"), put("a"), Revise("b", Metadata("new"))])
    assert [outcome.revision for outcome in commit.outcomes if isinstance(outcome, Written)] == [1, 2, 3]
    assert reason(commit, 2) is Reason.IMAGE_EXISTS
    collection = (await catalog.head("pictures")).collection
    assert (commit.revision, collection.revision, collection.image_count) == (3, 3, 2)
    assert collection.etag == pictures.etag
    assert list(await catalog.revisions(pictures.uid, 0, 10)) == [(1, 1), (2, 3)]


async def test_writes_to_one_image_in_one_batch_see_each_other(
    catalog: Catalog, pictures: Collection
) -> None:
    commit = await catalog.commit(
        pictures.uid, [put("a", "1"), Remove("a"), put("a", "2"), Revise("a", Metadata("last"))]
    )
    assert [written(commit, position).revision for position in range(4)] == [1, 2, 3, 4]
    assert image_written(commit, 2).uid > image_written(commit, 0).uid
    assert await catalog.image(pictures.uid, "a") == image_written(commit, 3)
    assert (await catalog.head("pictures")).collection.image_count == 1


async def test_replacing_keeps_uid_and_create_time(
    catalog: Catalog, pictures: Collection, clock: MovableClock
) -> None:
    first = image_written(await catalog.commit(pictures.uid, [put("a", "old")]))
    clock.move(60)
    commit = await catalog.commit(pictures.uid, [put("a", "new", on_conflict=REPLACE)])
    second = image_written(commit)
    assert not written(commit).created
    assert (second.uid, second.create_time) == (first.uid, first.create_time)
    assert (second.revision, second.update_time) == (2, clock.now())
    assert second.content == content("new")
    assert second.etag != first.etag


async def test_an_image_made_anew_gets_another_uid(catalog: Catalog, pictures: Collection) -> None:
    first = image_written(await catalog.commit(pictures.uid, [put("a")]))
    await catalog.commit(pictures.uid, [Remove("a")])
    assert image_written(await catalog.commit(pictures.uid, [put("a")])).uid > first.uid


async def test_an_origin_belongs_to_one_image(catalog: Catalog, pictures: Collection) -> None:
    here, there = Origin("s", "here"), Origin("s", "there")
    await catalog.commit(pictures.uid, [put("a", origin=here)])
    commit = await catalog.commit(
        pictures.uid,
        [put("b", origin=here, on_conflict=REPLACE), put("a", origin=there, on_conflict=REPLACE)],
    )
    assert reason(commit) is Reason.IMAGE_EXISTS
    assert image_written(commit, 1).origin == there
    freed = await catalog.commit(pictures.uid, [Remove("a"), put("c", origin=there), put("d", origin=here)])
    assert {image_written(freed, 1).id, image_written(freed, 2).id} == {"c", "d"}


async def test_duplicates_are_made_returned_or_refused(catalog: Catalog, pictures: Collection) -> None:
    first = image_written(await catalog.commit(pictures.uid, [put("a", "same")]))
    commit = await catalog.commit(
        pictures.uid,
        [
            put("b", "same", on_duplicate=OnDuplicate.RETURN_EXISTING),
            put("c", "same", on_duplicate=OnDuplicate.REJECT),
            put("d", "fresh", on_duplicate=OnDuplicate.RETURN_EXISTING),
            put("e", "fresh", on_duplicate=OnDuplicate.RETURN_EXISTING),
            put("f", "same"),
        ],
    )
    assert written(commit) == Written(first, first.revision, created=False)
    assert reason(commit, 1) is Reason.CONTENT_EXISTS
    assert image_written(commit, 2) == image_written(commit, 3)
    assert written(commit, 2).created
    assert not written(commit, 3).created
    assert [image.id for image in await catalog.list_images(pictures.uid, "", 9)] == ["a", "d", "f"]


async def test_etags_guard_revisions_and_removals(catalog: Catalog, pictures: Collection) -> None:
    old = image_written(await catalog.commit(pictures.uid, [put("a")]))
    new = image_written(await catalog.commit(pictures.uid, [Revise("a", Metadata("x"), old.etag)]))
    stale = await catalog.commit(
        pictures.uid, [Revise("a", Metadata("y"), old.etag), put("z"), Remove("a", old.etag)]
    )
    assert (reason(stale), reason(stale, 2)) == (Reason.ETAG_MISMATCH, Reason.ETAG_MISMATCH)
    assert await catalog.image(pictures.uid, "a") == new
    assert written(await catalog.commit(pictures.uid, [Remove("a", new.etag)])).image is None


async def test_missing_images_fail_unless_allowed(catalog: Catalog, pictures: Collection) -> None:
    commit = await catalog.commit(
        pictures.uid, [Remove("a"), Remove("b", allow_missing=True), Revise("c", Metadata())]
    )
    assert (reason(commit), reason(commit, 2)) == (Reason.IMAGE_NOT_FOUND, Reason.IMAGE_NOT_FOUND)
    assert written(commit, 1) == Written(None, 0, created=False)
    assert commit.revision == 0


@pytest.mark.parametrize("options", [{}, {"on_conflict": REPLACE}])
async def test_what_was_deleted_after_the_start_stays_deleted(
    catalog: Catalog, pictures: Collection, options: dict[str, OnConflict]
) -> None:
    origin = Origin("s", "p")
    await catalog.commit(pictures.uid, [put("a", origin=origin), Remove("a")])
    late = await catalog.commit(
        pictures.uid,
        [put("a", started_at=1, **options), put("b", origin=origin, started_at=1), put("c", started_at=1)],
    )
    assert [reason(late), reason(late, 1)] == [Reason.IMAGE_CHANGED_MEANWHILE] * 2
    assert image_written(late, 2).id == "c"
    assert image_written(await catalog.commit(pictures.uid, [put("a", started_at=2, **options)])).id == "a"


async def test_a_path_that_is_no_unicode_fails_alone(catalog: Catalog, pictures: Collection) -> None:
    commit = await catalog.commit(pictures.uid, [put("a", origin=Origin("s", "caf\udce9.jpg")), put("b")])
    assert reason(commit) is Reason.FIELD_INVALID
    assert image_written(commit, 1).id == "b"


async def test_lists_are_paged_by_id(catalog: Catalog, pictures: Collection) -> None:
    await catalog.commit(pictures.uid, [put(name) for name in ("b", "a", "d", "c")])
    assert [image.id for image in await catalog.list_images(pictures.uid, "a", 2)] == ["b", "c"]


# Labels


async def test_label_sets_come_back_and_are_changed_whole(catalog: Catalog) -> None:
    first = LabelSet("animals", (Label("cat", ("a cat", "一只猫")), Label("dog")))
    second = LabelSet("places", (Label("山"),))
    made = await catalog.create_collection(replace(DRAFT, id="labelled", label_sets=(first,)))
    assert made.label_sets == (await catalog.head("labelled")).collection.label_sets == (first,)
    await catalog.update_collection(made.uid, CollectionChanges(description="kept"))
    assert (await catalog.head("labelled")).collection.label_sets == (first,)
    for sets in ((second, first), ()):
        changed = await catalog.update_collection(made.uid, CollectionChanges(label_sets=sets))
        assert changed.label_sets == sets
        assert (await catalog.head("labelled")).collection.label_sets == sets


async def test_labels_are_kept_with_the_image_until_its_content_changes(
    catalog: Catalog, pictures: Collection
) -> None:
    await catalog.commit(pictures.uid, [put("a", labels=CAT), put("b")])
    assert (await catalog.image(pictures.uid, "a")).labels == CAT
    assert (await catalog.image(pictures.uid, "b")).labels == ()
    await catalog.commit(pictures.uid, [Revise("a", Metadata("other"))])
    assert (await catalog.image(pictures.uid, "a")).labels == CAT
    await catalog.commit(pictures.uid, [put("a", of="c", on_conflict=REPLACE)])
    assert (await catalog.image(pictures.uid, "a")).labels == ()


async def test_an_image_is_labelled_anew_if_its_content_is_the_same(
    catalog: Catalog, pictures: Collection
) -> None:
    commit = await catalog.commit(pictures.uid, [put("a", labels=CAT), put("b", labels=CAT)])
    own, before = content("a").sha256, commit.revision
    same = await catalog.commit(pictures.uid, [Relabel("a", own, CAT), Relabel("b", own, ())])
    assert same.revision == before
    changed = await catalog.commit(pictures.uid, [Relabel("a", own, ()), Relabel("nobody", own)])
    assert changed.revision == before + 1
    assert reason(changed, 1) is Reason.IMAGE_NOT_FOUND
    labels = [(await catalog.image(pictures.uid, each)).labels for each in ("a", "b")]
    assert labels == [(), CAT]


async def test_a_retry_answers_with_the_labels_of_the_first(catalog: Catalog, pictures: Collection) -> None:
    request = Request("labelled", "body")
    first = await catalog.commit(pictures.uid, [put("a", labels=CAT)], request=request)
    retry = await catalog.commit(pictures.uid, [put("a")], request=request)
    assert image_written(retry).labels == image_written(first).labels == CAT


# Request ids


async def test_a_retry_gets_the_first_answer(catalog: Catalog, pictures: Collection) -> None:
    request = Request("r", "body")
    writes: list[Write] = [
        put("a", metadata=Metadata("t", attributes={"at": datetime(2020, 1, 1, tzinfo=UTC)})),
        Remove("x"),
    ]
    first = await catalog.commit(pictures.uid, writes, request=request)
    await catalog.commit(pictures.uid, [Revise("a", Metadata("changed")), put("b")])
    retry = await catalog.commit(pictures.uid, writes, request=request)
    assert retry.replayed
    assert (written(retry), retry.revision) == (written(first), first.revision)
    assert reason(retry, 1) is reason(first, 1)
    assert (await catalog.image(pictures.uid, "a")).metadata.title == "changed"


async def test_a_request_id_is_for_one_request(catalog: Catalog, pictures: Collection) -> None:
    await catalog.commit(pictures.uid, [put("a")], request=Request("r", "body"))
    with pytest.raises(SoutuError) as failure:
        await catalog.commit(pictures.uid, [put("b")], request=Request("r", "other"))
    assert failure.value.reason is Reason.REQUEST_ID_REUSED
    assert await catalog.image_ids(pictures.uid, ["b"]) == {}


async def test_a_request_in_which_everything_failed_may_be_tried_again(
    catalog: Catalog, pictures: Collection
) -> None:
    request = Request("r", "body")
    await catalog.commit(pictures.uid, [Remove("a")], request=request)
    await catalog.commit(pictures.uid, [put("a")])
    assert not (await catalog.commit(pictures.uid, [Remove("a")], request=request)).replayed


def test_a_put_has_no_option_that_is_untested_here() -> None:
    options = {"on_conflict", "on_duplicate", "started_at", "origin", "embeddings", "held", "labels"}
    assert set(Put.__slots__) == options | {"image_id", "content", "original", "metadata"}
