"""Pictures found by pictures, by stored images, by vectors, and by combinations of them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from soutu.client import Client, Part, search_request, vector_values
from soutu.v1.search_pb2 import SearchResponse
from tests.flows import pictures
from tests.flows.refusals import refused
from tests.flows.served import Served

GALLERY = "gallery"
SEEDS = range(24)
HALF = (0.0, 0.25, 0.5, 1.0)


@pytest.fixture(scope="module")
def gallery(server: Served) -> Iterator[Client]:
    """The client of a server whose collection "gallery" holds the pictures of SEEDS as JPEG, s0, s1, ..."""
    client = server.client
    client.collections.create(GALLERY)
    for seed in SEEDS:
        client.images.upload(
            GALLERY, pictures.jpeg(seed), image_id=f"s{seed}", title=f"picture {seed}", tags=["t"]
        )
    yield client
    client.collections.delete(GALLERY, force=True)


def ids(answer: SearchResponse) -> list[str]:
    return [match.name.rpartition("/")[2] for match in answer.matches]


def stored_vectors(client: Client) -> dict[str, np.ndarray]:
    """What the gallery's index holds, as Embed tells it."""
    names = [f"s{seed}" for seed in SEEDS]
    return dict(zip(names, map(vector_values, client.embed(GALLERY, names).vectors), strict=True))


@pytest.mark.parametrize("seed", [0, 5, 11, 23])
def test_a_picture_finds_itself_first_with_score_one(gallery: Client, seed: int) -> None:
    answer = gallery.search(GALLERY, pictures.jpeg(seed), page_size=3)
    assert ids(answer)[0] == f"s{seed}"
    assert answer.matches[0].score == pytest.approx(1, abs=2e-3)
    assert answer.matches[1].score < 0.99


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_a_reencoded_or_resized_picture_finds_its_original(gallery: Client, kind: str) -> None:
    for seed in SEEDS[::3]:
        small = pictures.encoded(pictures.drawn(seed, 200, 150), kind, quality=60)
        assert ids(gallery.search(GALLERY, small))[0] == f"s{seed}"


def test_a_crop_finds_its_original(gallery: Client) -> None:
    for seed in SEEDS[::2]:
        part = pictures.encoded(pictures.crop(pictures.drawn(seed), (0.08, 0.08, 0.95, 0.95)))
        assert ids(gallery.search(GALLERY, part))[0] == f"s{seed}"


def test_matches_come_best_first_with_images_and_a_report(gallery: Client) -> None:
    answer = gallery.search(GALLERY, pictures.jpeg(3))
    scores = [match.score for match in answer.matches]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 10
    assert answer.matches[0].image.title == "picture 3"
    assert answer.report.generation.startswith(f"collections/{GALLERY}/generations/")
    assert answer.report.model.startswith("models/gradient-color@")
    assert {stage.stage for stage in answer.report.stages} >= {"decode", "embed", "nearest", "join"}


def test_a_stored_image_leaves_itself_out_unless_asked_for(gallery: Client) -> None:
    without = gallery.search(GALLERY, "s4", page_size=100)
    assert len(without.matches) == len(SEEDS) - 1
    assert "s4" not in ids(without)
    shown = gallery.search(GALLERY, "s4", include_query_images=True, page_size=100)
    assert ids(shown)[0] == "s4"
    assert ids(shown)[1:] == ids(without)


def test_a_stored_image_finds_what_its_bytes_find(gallery: Client) -> None:
    by_name = gallery.search(GALLERY, "s9", include_query_images=True)
    by_bytes = gallery.search(GALLERY, pictures.jpeg(9))
    assert ids(by_name) == ids(by_bytes)
    assert [each.score for each in by_name.matches] == pytest.approx(
        [each.score for each in by_bytes.matches]
    )


def test_a_vector_from_embed_finds_what_the_picture_finds(gallery: Client) -> None:
    vector = vector_values(gallery.embed(GALLERY, [pictures.jpeg(6)]).vectors[0])
    for scale in (1, 1e-3, 1e4):
        found = gallery.search(GALLERY, vector * scale)
        assert ids(found) == ids(gallery.search(GALLERY, pictures.jpeg(6)))
        assert found.matches[0].score == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (2.0, 0.5), (1.0, -0.7), (-1.0, -1.0), (0.3, 90.0)])
def test_parts_combine_as_the_normalised_weighted_sum(gallery: Client, weights: tuple[float, float]) -> None:
    stored = stored_vectors(gallery)
    query = [Part(pictures.jpeg(1), weights[0]), Part("s2", weights[1])]
    answer = gallery.search(GALLERY, query, include_query_images=True, page_size=100)
    total = weights[0] * stored["s1"] + weights[1] * stored["s2"]
    total /= np.linalg.norm(total)
    expected = {name: float(total @ vector) for name, vector in stored.items()}
    found = dict(zip(ids(answer), [match.score for match in answer.matches], strict=True))
    assert found == pytest.approx(expected, abs=2e-3)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_a_single_negative_part_ranks_the_least_alike_first(gallery: Client) -> None:
    toward = gallery.search(GALLERY, "s8", page_size=100)
    away = gallery.search(GALLERY, Part("s8", -1), page_size=100)
    assert [each.score for each in away.matches] == pytest.approx(
        [-each.score for each in reversed(toward.matches)], abs=1e-3
    )


def test_parts_that_cancel_out_are_refused(gallery: Client) -> None:
    with refused("QUERY_ZERO_SUM"):
        gallery.search(GALLERY, [Part("s1", 2), Part("s1", -2)])


def test_a_region_means_the_crop(gallery: Client) -> None:
    picture = pictures.drawn(10)
    region = Part(pictures.encoded(picture, "PNG"), region=HALF)
    cut = pictures.encoded(pictures.crop(picture, HALF), "PNG")
    one, other = map(vector_values, gallery.embed(GALLERY, [region, cut]).vectors)
    assert float(one @ other) > 0.999
    whole = vector_values(gallery.embed(GALLERY, ["s10"]).vectors[0])
    assert float(one @ whole) < 0.99


def test_a_region_of_a_stored_image_is_cut_from_its_original(gallery: Client) -> None:
    score = gallery.compare(GALLERY, Part("s10", region=HALF), Part(pictures.jpeg(10), region=HALF)).score
    assert score == pytest.approx(1, abs=2e-3)


def test_excluded_images_are_not_shown_and_others_move_up(gallery: Client) -> None:
    all_ids = ids(gallery.search(GALLERY, pictures.jpeg(3), page_size=100))
    left = gallery.search(GALLERY, pictures.jpeg(3), exclude=[all_ids[0], all_ids[2], "never-there"])
    assert ids(left) == [each for each in all_ids if each not in (all_ids[0], all_ids[2])][:10]


def test_min_score_cuts_the_tail(gallery: Client) -> None:
    everything = gallery.search(GALLERY, "s0", page_size=100)
    bound = everything.matches[6].score
    cut = gallery.search(GALLERY, "s0", page_size=100, min_score=bound)
    assert ids(cut) == [
        each for each, match in zip(ids(everything), everything.matches, strict=True) if match.score >= bound
    ]
    assert not cut.next_page_token
    assert not gallery.search(GALLERY, "s0", min_score=1).matches


def test_a_read_mask_keeps_what_it_names_and_the_name(gallery: Client) -> None:
    match = gallery.search(GALLERY, "s0", page_size=1, read_mask=["title", "content.sha256"]).matches[0]
    assert match.image.name == match.name
    assert match.image.title
    assert match.image.content.sha256
    assert not match.image.content.size_bytes
    assert not match.image.tags
    assert not match.image.etag


def test_an_explanation_comes_only_when_asked_for(gallery: Client) -> None:
    plain, explained = gallery.search(GALLERY, "s0"), gallery.search(GALLERY, "s0", explain=True)
    assert not plain.report.explanation
    assert not plain.matches[0].stage_scores
    assert "gradient-color" in explained.report.explanation
    best = explained.matches[0]
    assert best.stage_scores["nearest"] == pytest.approx(best.score)


def test_a_generation_can_be_searched_by_name(gallery: Client) -> None:
    generation = gallery.collections.get(GALLERY).active_generation
    assert ids(gallery.search(generation, pictures.jpeg(2))) == ids(gallery.search(GALLERY, pictures.jpeg(2)))
    with refused("GENERATION_NOT_FOUND"):
        gallery.search(f"collections/{GALLERY}/generations/nope", pictures.jpeg(2))


def test_an_empty_collection_answers_with_no_match(client: Client, collection: str) -> None:
    answer = client.search(collection, pictures.jpeg(1))
    assert not answer.matches
    assert not answer.next_page_token


def test_searches_of_a_batch_stand_on_their_own(gallery: Client) -> None:
    requests = [
        search_request(GALLERY, pictures.jpeg(1)),
        search_request(GALLERY, b"no picture"),
        search_request("nowhere", pictures.jpeg(1)),
        search_request(GALLERY, "s2", include_query_images=True),
    ]
    results = gallery.batch_search(requests).results
    assert [result.status.code for result in results] == [0, 3, 5, 0]
    assert ids(results[0].response)[0] == "s1"
    assert ids(results[3].response)[0] == "s2"
    assert not results[1].HasField("response")


def test_compare_is_the_inner_product_of_the_embeddings(gallery: Client) -> None:
    stored = stored_vectors(gallery)
    answer = gallery.compare(GALLERY, "s1", pictures.jpeg(2))
    assert answer.score == pytest.approx(float(stored["s1"] @ stored["s2"]), abs=2e-3)
    assert answer.report.model == gallery.collections.get(GALLERY).model
    assert gallery.compare(GALLERY, "s1", "s1").score == pytest.approx(1, abs=2e-3)


def test_embed_gives_unit_vectors_by_model_and_by_collection_alike(gallery: Client) -> None:
    model = gallery.collections.get(GALLERY).model
    inputs = [pictures.jpeg(30), pictures.png(31)]
    by_collection = np.stack([vector_values(each) for each in gallery.embed(GALLERY, inputs).vectors])
    by_model = gallery.embed(model, inputs)
    assert np.array_equal(by_collection, np.stack([vector_values(each) for each in by_model.vectors]))
    assert np.linalg.norm(by_collection, axis=1) == pytest.approx([1, 1], abs=2e-3)
    assert by_collection.shape[1] == gallery.models.get(model).dimension
    assert by_model.model == model
    assert gallery.embed(model.partition("@")[0], inputs).model == model


def test_embed_packs_float16_on_request(gallery: Client) -> None:
    plain = gallery.embed(GALLERY, ["s1"]).vectors[0]
    packed = gallery.embed(GALLERY, ["s1"], float16=True).vectors[0]
    assert not packed.values
    assert len(packed.float16_values) == 2 * len(plain.values)
    assert np.array_equal(vector_values(plain), vector_values(packed))


def test_min_revision_shows_every_write_at_once(client: Client, collection: str) -> None:
    for seed in range(6):
        receipt = client.images.upload(collection, pictures.jpeg(seed), image_id=f"i{seed}").receipt
        assert (
            ids(client.search(collection, pictures.jpeg(seed), min_revision=receipt.revision))[0]
            == f"i{seed}"
        )
    for seed in range(6):
        receipt = client.images.delete(f"i{seed}", collection=collection).receipt
        found = client.search(collection, pictures.jpeg(seed), min_revision=receipt.revision)
        assert f"i{seed}" not in ids(found)
        assert len(found.matches) == 5 - seed


def test_the_revision_of_an_answer_can_be_asked_for_again(gallery: Client) -> None:
    revision = gallery.search(GALLERY, "s1").report.revision
    assert revision == gallery.collections.get(GALLERY).revision
    assert gallery.search(GALLERY, "s1", min_revision=revision).matches


def test_a_revision_that_is_not_the_collections_is_refused(gallery: Client, collection: str) -> None:
    other = gallery.collections.get(collection).revision
    for revision in (other, "nonsense", "!", "AAAA", "x" * 500, "ä"):
        with refused("REVISION_INVALID", "min_revision"):
            gallery.search(GALLERY, "s1", min_revision=revision)


def test_what_many_ask_for_at_the_same_time_is_made_once(gallery: Client) -> None:
    large = pictures.png(7, 3_000, 2_000)  # long enough in the making for all to meet
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda _: gallery.search(GALLERY, large, page_size=3), range(8)))
    assert sorted(answer.report.cached for answer in answers) == [False, *7 * [True]]
    assert {tuple(ids(answer)) for answer in answers} == {tuple(ids(answers[0]))}
    assert ids(answers[0])[0] == "s7"
