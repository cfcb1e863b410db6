from pathlib import Path

import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import Fit, InputSpec, Task
from soutu.models.normalisation import IMAGENET
from soutu.models.pooling import Pooling, check_pooling
from soutu.models.zoo.entry import Features, WeightNames, ZooEntry, entry_from
from soutu.models.zoo.shelf import zoo_entries, zoo_entry

MINE = """
name = "mine"
task = "embed-image"
licence = "MIT"
restricted = false
dimension = 2048
pooling = "gem:3"
[hub]
id = "me/mine"
revision = "0123456789abcdef0123456789abcdef01234567"
files = { "config.json" = "", "model.safetensors" = "" }
[network]
architecture = "ResNetModel"
features = "map"
[input]
width = 224
height = 224
fit = "stretch"
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("entry", zoo_entries(), ids=lambda entry: entry.name)
def test_every_entry_that_ships_is_sound(entry: ZooEntry) -> None:
    ranks = {Features.MAP: 4, Features.TOKENS: 3, Features.VECTOR: 2, Features.LOCAL: 2}
    check_pooling(Pooling.parse(entry.pooling), ranks[entry.network.features])
    assert entry.licence
    assert entry.dimension == (entry.reduce or entry.dimension)
    local = entry.task in (Task.LOCAL_FEATURES, Task.MATCH_FEATURES)
    assert bool(entry.local) is local is (entry.network.features is Features.LOCAL)
    assert bool(entry.network.architecture) is (local or entry.network.names is not WeightNames.ONNX)
    if entry.hub:
        assert "model.safetensors" in entry.hub.files
        assert entry.text is None or entry.text.tokenizer in entry.hub.files


def test_matchers_take_the_features_of_an_entry_as_it_gives_them() -> None:
    matchers = [entry for entry in zoo_entries() if entry.task is Task.MATCH_FEATURES]
    assert len(matchers) == 2
    for entry in matchers:
        assert entry.local
        other = zoo_entry(entry.local.features)
        assert other.task is Task.LOCAL_FEATURES
        assert other.local
        assert (other.local.keypoints, other.dimension) == (entry.local.keypoints, entry.dimension)
        assert (other.input.width, other.input.height) == (entry.input.width, entry.input.height)


def test_superpoint_is_restricted() -> None:
    restricted = {entry.name for entry in zoo_entries() if entry.restricted}
    assert {"superpoint", "lightglue-superpoint"} <= restricted


def test_names_are_those_of_the_files_and_differ() -> None:
    names = [entry.name for entry in zoo_entries()]
    assert len(set(names)) == len(names) >= 12
    assert zoo_entry("facebook/dinov2-base") == zoo_entry("dinov2-base")


def test_an_entry_of_ones_own_is_read_from_its_file(tmp_path: Path) -> None:
    entry = zoo_entry(str(written(tmp_path, MINE)))
    assert (entry.name, entry.normalisation) == ("mine", IMAGENET)
    assert entry.input == InputSpec(224, 224, Fit.STRETCH)
    assert entry.hub
    assert entry.hub.id == "me/mine"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('name = "mine"', 'name = "../mine"', "cannot name a model"),
        ('licence = "MIT"', 'licence = "MIT"\nlicense = "MIT"', "no key license"),
        ('licence = "MIT"\n', "", "licence"),
        ('features = "map"', 'features = "maps"', "maps"),
        ("std = [0.229, 0.224, 0.225]", "std = [0.229]", "unpack"),
        ("std = [0.229, 0.224, 0.225]", "", "lacks 'std'"),
        ("[input]", "[input", "cannot be read as TOML"),
    ],
)
def test_an_unsound_entry_says_what_is_wrong(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    with pytest.raises(SoutuError, match=sentence) as failure:
        entry_from(written(tmp_path, MINE.replace(old, new)))
    assert failure.value.reason is Reason.MODEL_INVALID


def test_an_unknown_model_is_told_what_there_is() -> None:
    with pytest.raises(SoutuError, match="it has: aliked-n16, chinese-clip-b16, clip-b16") as failure:
        zoo_entry("resnet51")
    assert failure.value.reason is Reason.MODEL_NOT_FOUND
