"""An entry of the zoo and its weights become a network of `transformers`, in float32, ready to infer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers.utils import logging

from soutu.domain.cards import invalid_model
from soutu.models.load.timm_names import vit_from_timm
from soutu.models.load.weights import read_weights, weights_folder
from soutu.models.zoo.entry import WeightNames, ZooEntry

# Attention written out, in every network: its nodes are the ones that TensorRT and OpenVINO know, and int8
# leaves alone. Left to itself, `transformers` takes another where a class has one ("sdpa"), and LightGlue's
# then answers wrongly: without a mask it is taken for causal.
_ATTENTION = "eager"


def load_network(entry: ZooEntry, weights: Path, architecture: str = "") -> torch.nn.Module:
    """The network with its weights from a folder (config.json, model.safetensors) or one safetensors file.

    `architecture` takes another class than the entry's. MODEL_INVALID where a tensor is missing, has another
    shape, or is not in safetensors, or where attention is not written out; tensors that the network does not
    use are let be.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    kind = _class_of(architecture or entry.network.architecture)
    if entry.network.names is WeightNames.TIMM:
        return _from_timm(kind, entry, weights)
    folder = weights_folder(weights)
    network = _from_folder(kind, folder, _config(kind, folder, entry.network.config))
    return _ready(network)


def check_attention(network: torch.nn.Module) -> None:
    """MODEL_INVALID if any part of a network of `transformers` does not have attention written out."""
    for part in network.modules():
        found = getattr(getattr(part, "config", None), "_attn_implementation", None)
        if found not in (None, _ATTENTION):  # parts without attention have none
            sentence = f"{type(part).__name__} computes attention by {found!r}, not {_ATTENTION!r}."
            raise invalid_model(sentence)


def _ready(network: torch.nn.Module) -> torch.nn.Module:
    check_attention(network)
    return network.eval().requires_grad_(False)


def _class_of(name: str) -> Any:
    if not name or not hasattr(transformers, name):
        raise invalid_model(f"`transformers` has no architecture {name!r}.")
    return getattr(transformers, name)


def _config(kind: Any, folder: Path, given: Mapping[str, Any]) -> Any:
    """What the weights' config.json says, else what the entry says."""
    path = folder / "config.json"
    if not path.is_file() and not given:
        raise invalid_model(f"{folder.name} has no config.json.")
    try:
        said = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else given
        return kind.config_class.from_dict(dict(said))
    except (OSError, ValueError, TypeError) as error:
        raise invalid_model(
            f"The config.json of {folder.name} does not describe a {kind.__name__}."
        ) from error


def _from_folder(kind: Any, folder: Path, config: Any) -> torch.nn.Module:
    try:
        network, found = kind.from_pretrained(
            folder,
            config=config,
            use_safetensors=True,
            local_files_only=True,
            dtype=torch.float32,
            attn_implementation=_ATTENTION,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told of below, in our words
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise invalid_model(f"The weights in {folder.name} cannot be read.") from error
    if lost := sorted([*found["missing_keys"], *(each[0] for each in found["mismatched_keys"])]):
        raise invalid_model(f"The weights in {folder.name} do not fit a {kind.__name__}: {lost[0]}.")
    loaded: torch.nn.Module = network
    return loaded


def _from_timm(kind: Any, entry: ZooEntry, path: Path) -> torch.nn.Module:
    config = kind.config_class.from_dict({**entry.network.config, "attn_implementation": _ATTENTION})
    network: torch.nn.Module = kind(config, add_pooling_layer=False)
    try:
        network.load_state_dict(vit_from_timm(read_weights(path)))
    except RuntimeError as error:
        raise invalid_model(f"{path.name} does not fit {entry.name}.") from error
    return _ready(network)
