"""Labels and other fields raise and lower matches, and models that are calibrated for it tell chances."""

import json
import math
from collections.abc import Iterator

import pytest

from soutu.client import Boost, Client, Part, Text
from soutu.domain.model import ModelRef, Probability
from soutu.v1.image_pb2 import Image
from soutu.v1.search_pb2 import SearchResponse
from tests.contract.towers import BIAS, SCALE, TWO_TOWERS, write_two_towers
from tests.flows.cli import soutu
from tests.flows.served import Served
from tests.flows.test_labels import COLOUR
from tests.flows.test_text import COLOURS, painted

JUDGES = ModelRef("colour-judge", "1")
RAISED = Boost(filter='labels:"blue"', amount=0.75)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a collection of labelled colours, and one under a model that judges pairs."""
    served = Served(tmp_path_factory.mktemp("boosts"))
    models = served.data_dir / "models"
    write_two_towers(models / TWO_TOWERS.name / TWO_TOWERS.version)
    write_two_towers(models / JUDGES.name / JUDGES.version, ref=JUDGES, probability=Probability.SIGMOID)
    with served:
        client = served.client
        client.collections.create("colours", model=f"models/{TWO_TOWERS}", label_sets=[COLOUR])
        client.collections.create("judged", model=f"models/{JUDGES}")
        for rating, (name, colour) in enumerate(COLOURS.items()):
            for collection in ("colours", "judged"):
                client.images.upload(collection, painted(colour), image_id=name, rating=rating)
        yield served


@pytest.fixture
def client(served: Served) -> Client:
    return served.client


def scores(answer: SearchResponse) -> dict[str, float]:
    """By image, best first."""
    return {match.name.rpartition("/")[2]: match.score for match in answer.matches}


def test_images_of_a_label_are_raised(client: Client) -> None:
    plain = scores(client.search("colours", Text("red")))
    boosts = [RAISED, Boost(filter='labels:"red"', amount=-0.125)]
    answer = client.search("colours", Text("red"), boosts=boosts, explain=True)

    found = scores(answer)
    fitting = {
        image.name.rpartition("/")[2]: [each.label for each in image.labels] for image in listed(client)
    }
    assert {name: found[name] - plain[name] for name in plain} == pytest.approx(
        {name: 0.75 * ("blue" in labels) - 0.125 * ("red" in labels) for name, labels in fitting.items()},
        abs=1e-6,
    )
    assert list(found) == sorted(found, key=lambda name: -found[name]) != list(plain)
    assert "boosts" in answer.report.explanation
    for match in answer.matches:
        stages = match.stage_scores
        assert match.score == pytest.approx(stages["nearest"] + stages["boost"], abs=1e-6)


def listed(client: Client) -> list[Image]:
    return list(client.images.list("colours"))


def test_boosts_of_no_weight_change_nothing(client: Client) -> None:
    nothing = [Boost(filter="rating >= 0", amount=0.0)]
    plain = client.search("colours", Text("red"), explain=True)
    boosted = client.search("colours", Text("red"), boosts=nothing, explain=True)
    assert boosted.matches == plain.matches
    assert boosted.report.explanation == plain.report.explanation


def test_an_answer_is_remembered_for_its_boosts_alone(client: Client) -> None:
    def cached(*boosts: Boost) -> bool:
        return client.search("colours", Text("photo of white"), boosts=boosts).report.cached

    assert [cached(RAISED), cached(RAISED)] == [False, True]
    assert not cached()
    assert not cached(Boost(filter=RAISED.filter, amount=0.5))
    assert not cached(RAISED, RAISED)
    assert cached(RAISED)


def test_pages_make_the_whole(client: Client) -> None:
    boosts = [RAISED, Boost(filter="rating < 3", amount=-0.5)]
    whole = client.search("colours", Text("red"), boosts=boosts)
    pages = list(client.search_pages("colours", Text("red"), boosts=boosts, page_size=1))
    assert [match.name for page in pages for match in page.matches] == [each.name for each in whole.matches]


def test_a_bound_is_of_the_score_with_boosts(client: Client) -> None:
    found = scores(client.search("colours", "red", boosts=[RAISED], min_score=0.3))
    whole = scores(client.search("colours", "red", boosts=[RAISED]))
    assert found == {name: score for name, score in whole.items() if score >= 0.3} != whole


def test_a_boost_is_of_the_image_as_it_is_now(client: Client) -> None:
    boosts = [Boost(filter="tags:starred", amount=1.0)]
    assert next(iter(scores(client.search("colours", Text("red"), boosts=boosts)))) == "red"
    receipt = client.images.update("black", collection="colours", tags=["starred"])
    answer = client.search("colours", Text("red"), boosts=boosts, min_revision=receipt.receipt.revision)
    assert next(iter(scores(answer))) == "black"


def test_the_command_line_boosts(served: Served) -> None:
    search = ("--data-dir", str(served.data_dir), "search", "-c", "colours", "--text", "red", "--json")
    told = json.loads(soutu(*search, "--boost", '1 labels:"blue"', "--boost", "-1 labels:red"))
    assert told["matches"][0]["name"] == "collections/colours/images/blue"
    for wrong in ("labels:blue", "2 labels:blue", "0.5", "nan labels:blue", ""):
        assert "AMOUNT FILTER" in soutu(*search, "--boost", wrong, ok=False)


def test_a_calibrated_model_tells_the_chance_that_a_picture_shows_what_a_text_says(client: Client) -> None:
    pages = list(client.search_pages("judged", Text("red"), page_size=2))
    matches = [match for page in pages for match in page.matches]

    assert len(matches) == len(COLOURS)
    for match in matches:
        assert match.probability == pytest.approx(expected(match.score), abs=1e-5)
    assert matches[0].probability > 0.9
    assert matches[-1].probability < 0.01


def expected(cosine: float) -> float:
    return 1 / (1 + math.exp(-(SCALE * cosine + BIAS)))


def test_boosts_do_not_count_in_chances(client: Client) -> None:
    plain = client.search("judged", Text("red"))
    boosted = client.search("judged", Text("red"), boosts=[Boost(filter="rating >= 1", amount=0.5)])
    chances = {match.name: match.probability for match in plain.matches}
    assert {match.name: match.probability for match in boosted.matches} == pytest.approx(chances, abs=1e-6)


def test_pairs_are_compared_with_a_chance(client: Client) -> None:
    alike = client.compare("judged", Text("red"), painted(COLOURS["red"]))
    unlike = client.compare("judged", "blue", Text("red"))
    assert alike.probability == pytest.approx(expected(alike.score), abs=1e-5)
    assert alike.probability > 0.9 > 0.01 > unlike.probability


def test_there_is_no_chance_where_the_model_is_not_calibrated_for_it(client: Client) -> None:
    vector = client.embed("judged", [Text("red")]).vectors[0].values
    answers = [
        client.search("colours", Text("red")),
        client.search("judged", "red"),
        client.search("judged", list(vector)),
        client.search("judged", [Part(Text("red")), Part(Text("white"))]),
        client.search("judged", Part(Text("red"), weight=-1.0)),
    ]
    for answer in answers:
        assert answer.matches
        assert not any(match.HasField("probability") for match in answer.matches)
    compared = [
        client.compare("colours", Text("red"), "red"),
        client.compare("judged", "red", "blue"),
        client.compare("judged", Text("red"), Text("blue")),
        client.compare("judged", Text("red"), list(vector)),
    ]
    assert not any(each.HasField("probability") for each in compared)


def test_the_command_line_shows_chances(served: Served) -> None:
    search = ("--data-dir", str(served.data_dir), "search", "--text", "red", "-c")
    assert "%" in soutu(*search, "judged")
    assert "%" not in soutu(*search, "colours")
