"""Networks of `transformers` are loaded with attention written out, whatever a class takes by itself."""

from pathlib import Path
from typing import Any

import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.models.zoo.shelf import zoo_entry

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # of PyTorch

_SMALL = {"descriptor_dim": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def light_glue() -> Any:
    """A small one with random weights, as `transformers` makes it by itself."""
    import transformers

    return transformers.LightGlueForKeypointMatching(transformers.LightGlueConfig(**_SMALL))


def test_attention_is_written_out_where_a_class_takes_another_by_itself(tmp_path: Path) -> None:
    """LightGlue says nothing of exchangeable attention, and takes `sdpa` unless it is told otherwise."""
    from soutu.models.load.lightglue import LightGlueComparison
    from soutu.models.load.network import load_network

    network = light_glue()
    assert network.config._attn_implementation == "sdpa"
    network.save_pretrained(tmp_path)
    loaded: Any = load_network(zoo_entry("lightglue-superpoint"), tmp_path)
    assert loaded.config._attn_implementation == "eager"
    assert LightGlueComparison(loaded).layers is loaded.transformer_layers


def test_another_attention_is_refused() -> None:
    from soutu.models.load.lightglue import LightGlueComparison
    from soutu.models.load.network import check_attention

    network = light_glue()
    for taken in (check_attention, LightGlueComparison):
        with pytest.raises(SoutuError, match="computes attention by 'sdpa', not 'eager'") as failure:
            taken(network)
        assert failure.value.reason is Reason.MODEL_INVALID


@pytest.mark.parametrize(
    "name", ["resnet50", "vit-b16", "dinov2-small", "efficientnet-b3", "mobilenet-v2", "clip-b32"]
)
def test_every_architecture_of_the_zoo_is_loaded_so(tmp_path: Path, name: str) -> None:
    from soutu.models.load.network import check_attention, load_network
    from tests.unit.models.export.networks import save_seeded

    entry = zoo_entry(name)
    save_seeded(entry, tmp_path)
    loaded = load_network(entry, tmp_path)
    check_attention(loaded)
    assert not loaded.training
    assert not any(each.requires_grad for each in loaded.parameters())
