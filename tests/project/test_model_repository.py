"""model_repository/: what is in git is what the cards say, and what Triton reads."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from scripts import triton_repository
from soutu.adapters.inference.towers import Tower
from soutu.adapters.inference.triton import Priority
from soutu.domain.cards import card_from_text
from soutu.domain.model import BatchSizes, ModelCard, Task
from soutu.domain.tensors import inputs_of, outputs_of
from soutu.models.zoo.shelf import zoo_entry
from tests.contract.towers import CONTEXT, DIMENSION, write_two_towers
from tests.project.source import ROOT
from tests.unit.models.local.toys import card_for

REPOSITORY = ROOT / "model_repository"
MODELS = ("resnet50", "vit_b16")
CARDS = {card.ref.name: card for card in triton_repository.cards(REPOSITORY)}


def parsed(folder: Path) -> Any:
    return text_format.Parse((folder / "config.pbtxt").read_text("utf-8"), model_config_pb2.ModelConfig())


def command() -> list[str]:
    """The words of the command that README.md says wrote the files."""
    text = (REPOSITORY / "README.md").read_text("utf-8")
    found = re.search(
        r"^python scripts/triton_repository.py model_repository (--cards .*)$", text, re.MULTILINE
    )
    assert found
    return found[1].replace("model_repository", str(REPOSITORY)).split()


def test_the_configurations_are_those_of_the_cards(tmp_path: Path) -> None:
    triton_repository.main([str(tmp_path), *command()])
    assert {path.name for path in tmp_path.iterdir()} == set(MODELS) == CARDS.keys()
    for name in MODELS:
        ours, made = (place / name / "config.pbtxt" for place in (REPOSITORY, tmp_path))
        assert ours.read_text("utf-8") == made.read_text("utf-8"), "run the command of its README"


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card.ref.name)
def test_a_place_for_a_plan_is_that_of_the_zoos_model(card: ModelCard) -> None:
    entry = zoo_entry(card.ref.name.replace("_", "-"))
    assert entry.hub
    said = (entry.task, entry.dimension, entry.input, entry.pooling, entry.licence, entry.description)
    assert said == (card.task, card.dimension, card.input, card.pooling, card.licence, card.description)
    assert card.source == entry.hub.id
    assert set(card.sha256) == {"0"}, "the hash of no artefact"


def test_batches_are_those_of_the_card(tmp_path: Path) -> None:
    """One source: Triton's configuration, plans (tests/unit/scripts) and requests of ours follow the card."""
    deployment = triton_repository.Deployment("tensorrt", "KIND_GPU", 2)
    for batch, preferred in ((BatchSizes(4, 16), [4, 16]), (BatchSizes(1, 1), [1])):
        card = replace(CARDS["resnet50"], batch=batch)
        config = parsed(triton_repository.write_config(card, deployment, tmp_path))
        assert config.max_batch_size == batch.most
        assert list(config.dynamic_batching.preferred_batch_size) == preferred
        assert [warmup.batch_size for warmup in config.model_warmup] == [1, batch.most]


def test_no_artefact_is_in_git() -> None:
    ignored = (REPOSITORY / ".gitignore").read_text("utf-8").split("\n")
    assert "*/[0-9]*/" in ignored


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card.ref.name)
@pytest.mark.parametrize("backend", triton_repository.BACKENDS)
def test_triton_reads_what_is_written(card: ModelCard, backend: str, tmp_path: Path) -> None:
    deployment = triton_repository.Deployment(backend, "KIND_GPU", 2)
    config = parsed(triton_repository.write_config(card, deployment, tmp_path))
    assert (config.name, config.backend) == (card.ref.name, backend)
    (given,), (answer,) = config.input, config.output
    assert (given.name, list(given.dims)) == ("pixels", [card.input.height, card.input.width, 3])
    assert given.data_type == model_config_pb2.TYPE_UINT8
    assert (answer.name, list(answer.dims)) == ("embedding", [card.dimension])
    assert config.version_policy.HasField("all")
    assert config.max_batch_size == card.batch.most
    assert list(config.dynamic_batching.preferred_batch_size) == [card.batch.usual, card.batch.most]
    assert [(group.count, group.kind) for group in config.instance_group] == [
        (2, model_config_pb2.ModelInstanceGroup.KIND_GPU)
    ]
    assert {warmup.batch_size for warmup in config.model_warmup} == {1, card.batch.most}


@pytest.mark.parametrize("name", MODELS)
def test_queries_go_before_builds_and_nothing_waits_for_ever(name: str) -> None:
    batching = parsed(REPOSITORY / name).dynamic_batching
    assert batching.priority_levels == len(Priority)
    assert batching.default_priority_level == Priority.BUILDS
    queries, builds = batching.priority_queue_policy[Priority.QUERIES], batching.default_queue_policy
    for queue in (queries, builds):
        assert queue.timeout_action == model_config_pb2.ModelQueuePolicy.REJECT
        assert queue.allow_timeout_override
        assert queue.default_timeout_microseconds == 10_000_000
    assert 0 < queries.max_queue_size < builds.max_queue_size


def test_a_version_that_triton_has_no_name_for_is_refused(tmp_path: Path) -> None:
    text = (REPOSITORY / "resnet50" / "card.toml").read_text("utf-8")
    card = card_from_text(text.replace('version = "1"', 'version = "1.0"'))
    with pytest.raises(ValueError, match="whole numbers"):
        triton_repository.write_config(card, triton_repository.Deployment("python", "KIND_CPU", 1), tmp_path)


@pytest.mark.parametrize("backend", triton_repository.BACKENDS)
def test_a_text_tower_is_a_model_of_its_own(backend: str, tmp_path: Path) -> None:
    card = write_two_towers(tmp_path / "models")
    deployment = triton_repository.Deployment(backend, "KIND_CPU", 1)
    folder = triton_repository.write_config(card, deployment, tmp_path / "repository", Tower.TEXT)
    config = parsed(folder)
    assert config.name == folder.name == f"{card.ref.name}-TEXT"
    (given,), (answer,) = config.input, config.output
    assert (given.name, list(given.dims), given.data_type) == (
        "tokens",
        [CONTEXT],
        model_config_pb2.TYPE_INT64,
    )
    assert list(answer.dims) == [DIMENSION]
    assert all(warmup.inputs["tokens"].zero_data for warmup in config.model_warmup)


@pytest.mark.parametrize("task", [Task.LOCAL_FEATURES, Task.MATCH_FEATURES])
def test_models_of_local_features_have_their_own_inputs_and_outputs(task: Task, tmp_path: Path) -> None:
    card = card_for(task)
    deployment = triton_repository.Deployment("onnxruntime", "KIND_CPU", 1)
    config = parsed(triton_repository.write_config(card, deployment, tmp_path))
    for tensors, told in ((inputs_of(card), config.input), (outputs_of(card), config.output)):
        assert [(each.name, tuple(each.dims)) for each in told] == [
            (each.name, each.shape) for each in tensors
        ]
    for warmup in config.model_warmup:
        assert warmup.inputs.keys() == {each.name for each in inputs_of(card)}


def test_text_towers_are_written_beside_their_models(tmp_path: Path) -> None:
    write_two_towers(tmp_path / "models" / "colour-words" / "1")
    arguments = ["--models", str(tmp_path / "models"), "--model", "colour-words", "--backend", "python"]
    triton_repository.main([str(tmp_path / "out"), *arguments])
    for name, artefact in (("colour-words", "model.onnx"), ("colour-words-TEXT", "text.onnx")):
        written = (tmp_path / "out" / name / "1" / "model.onnx").read_bytes()
        assert written == (tmp_path / "models" / "colour-words" / "1" / artefact).read_bytes()
