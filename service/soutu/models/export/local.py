"""Exports models of local features: weights in, a model's folder out, its maps held against PyTorch in
float64."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from soutu.domain.cards import invalid_model
from soutu.domain.model import ModelCard, ModelRef, Task
from soutu.models.export.image import Exported, ExportTerms, export_image_model
from soutu.models.export.onnx_file import write_onnx
from soutu.models.export.parity import Parity, checked_cosine, noise
from soutu.models.load.aliked import load_aliked
from soutu.models.load.disk import load_disk
from soutu.models.load.lightglue import LightGlueComparison
from soutu.models.load.network import load_network
from soutu.models.load.superpoint import SuperPointMaps
from soutu.models.local.disk import disk_head
from soutu.models.local.extractor import ExtractorSpec, Head, make_extractor
from soutu.models.local.lighterglue import lighterglue
from soutu.models.local.matcher import Comparison, MatcherSpec, compared_by_name, make_matcher
from soutu.models.local.superpoint import superpoint_head
from soutu.models.local.xfeat import xfeat_head
from soutu.models.pictures import fitted_pictures
from soutu.models.zoo.entry import Local, WeightNames, ZooEntry

Known = TypeVar("Known")

_COMPARED = 2  # maps are large
_HEADS: Mapping[str, Head] = {"XFeat": xfeat_head}  # of networks in ONNX
_COMPARISONS: Mapping[str, Comparison] = {"LighterGlue": lighterglue}


@dataclass(frozen=True, slots=True)
class _Dense:
    """A network in PyTorch, what its maps are called, and what makes local features of them."""

    network: nn.Module
    outputs: Sequence[str]
    head: Head


def _aliked(entry: ZooEntry, weights: Path) -> _Dense:
    network = load_aliked(weights)
    return _Dense(network, ("heat", "features"), network.descriptors())


def _superpoint(entry: ZooEntry, weights: Path) -> _Dense:
    return _Dense(SuperPointMaps(load_network(entry, weights)), ("heat", "descriptors"), superpoint_head)


def _disk(entry: ZooEntry, weights: Path) -> _Dense:
    return _Dense(load_disk(weights), ("heat", "descriptors"), disk_head)


_NETWORKS: Mapping[str, Callable[[ZooEntry, Path], _Dense]] = {
    "ALIKED": _aliked,
    "SuperPointForKeypointDetection": _superpoint,
    "DISK": _disk,
}


def export_model(entry: ZooEntry, terms: ExportTerms, folder: Path) -> Exported:
    """Writes the new `folder` of any entry, with the artefact and its card.

    MODEL_INVALID where the weights do not fit the entry, or the artefact differs from PyTorch in float64; for
    local features also where a pooling or a reduction was asked for. The folder appears whole or not at all.
    """
    if entry.local is None:
        return export_image_model(entry, terms, folder)
    if terms.pooling or terms.reduce:
        raise invalid_model(f"{entry.name} is for {entry.task}: it pools and reduces nothing.")
    if entry.task is Task.LOCAL_FEATURES:
        return _export_extractor(entry, entry.local, terms, folder)
    return _export_matcher(entry, entry.local, terms, folder)


def _export_extractor(entry: ZooEntry, local: Local, terms: ExportTerms, folder: Path) -> Exported:
    if entry.network.names is WeightNames.ONNX:
        head = _known(_HEADS, entry)
        return Exported(make_extractor(terms.weights, _extractor(entry, local, terms, head), folder), None)
    dense = _known(_NETWORKS, entry)(entry, terms.weights)
    with tempfile.TemporaryDirectory() as place:
        maps = Path(place) / "maps.onnx"
        example = torch.zeros(2, 3, entry.input.height, entry.input.width)
        write_onnx(dense.network, {"planes": example}, dense.outputs, maps)
        card = make_extractor(maps, _extractor(entry, local, terms, dense.head), folder)
        return Exported(card, _compared_maps(dense.network, maps, _trial_planes(entry, terms), terms))


def _export_matcher(entry: ZooEntry, local: Local, terms: ExportTerms, folder: Path) -> Exported:
    spec = MatcherSpec(
        ref=ModelRef(terms.name or entry.name, terms.version),
        input=entry.input,
        keypoints=local.keypoints,
        dimension=entry.dimension,
        features=local.features,
        licence=entry.licence,
        source=terms.source or f"weights of {entry.name}, from a file",
        description=entry.description,
    )
    if entry.network.names is WeightNames.ONNX:
        comparison = _known(_COMPARISONS, entry)
        return Exported(make_matcher(terms.weights, comparison, spec, folder), None)
    network = LightGlueComparison(load_network(entry, terms.weights))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "comparison.onnx"
        examples = _trial_features(local.keypoints, entry.dimension)
        write_onnx(network, examples, ["logarithms"], path)
        card: ModelCard = make_matcher(path, compared_by_name, spec, folder)
        answered = _answers(path, {name: each.numpy() for name, each in examples.items()})
        with torch.no_grad():
            expected = network.double()(*(each.double() for each in examples.values()))
        cosine = _least_cosine(answered, [expected])
        return Exported(card, Parity(cosine, len(answered[0]), 0))


def _known(known: Mapping[str, Known], entry: ZooEntry) -> Known:
    """What an entry's architecture stands for; MODEL_INVALID lists what there is."""
    architecture = entry.network.architecture
    if architecture not in known:
        there = ", ".join(known)
        raise invalid_model(
            f"There is no architecture {architecture!r} for {entry.task}; there are: {there}."
        )
    return known[architecture]


def _extractor(entry: ZooEntry, local: Local, terms: ExportTerms, head: Head) -> ExtractorSpec:
    return ExtractorSpec(
        ref=ModelRef(terms.name or entry.name, terms.version),
        input=entry.input,
        normalisation=entry.normalisation,
        keypoints=local.keypoints,
        dimension=entry.dimension,
        head=head,
        licence=entry.licence,
        source=terms.source or f"weights of {entry.name}, from a file",
        description=entry.description,
    )


def _trial_planes(entry: ZooEntry, terms: ExportTerms) -> NDArray[np.float32]:
    """Two pictures of noise, and two real ones where there are some, as the network sees them."""
    pixels = noise(entry.input)[1 : 1 + _COMPARED]
    if terms.pictures is not None:
        pixels = np.concatenate([pixels, fitted_pictures(terms.pictures, entry.input, _COMPARED)])
    seen = entry.normalisation
    planes = (pixels * seen.scale - np.asarray(seen.mean)) / np.asarray(seen.std)
    return np.ascontiguousarray(planes.transpose(0, 3, 1, 2), np.float32)


def _trial_features(keypoints: int, dimension: int) -> dict[str, torch.Tensor]:
    """Two pairs of sets, drawn at random."""
    lots = torch.Generator().manual_seed(0)
    places = [torch.rand(2, keypoints, 2, generator=lots) * 2 - 1 for _ in range(2)]
    vectors = [torch.randn(2, keypoints, dimension, generator=lots) for _ in range(2)]
    units = [nn.functional.normalize(each, dim=2) for each in vectors]
    names = ("keypoints0", "keypoints1", "descriptors0", "descriptors1")
    return dict(zip(names, (*places, *units), strict=True))


def _compared_maps(network: nn.Module, maps: Path, planes: NDArray[np.float32], terms: ExportTerms) -> Parity:
    """How near the maps are to PyTorch in float64, in which the network stays."""
    precise = network.double()
    cosines = []
    for plane in planes:
        with torch.no_grad():
            expected = precise(torch.from_numpy(plane[None]).double())
        cosines.append(_least_cosine(_answers(maps, {"planes": plane[None]}), expected))
    return Parity(min(cosines), _COMPARED, len(planes) - _COMPARED)


def _answers(path: Path, inputs: Mapping[str, NDArray[np.float32]]) -> Sequence[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: Sequence[NDArray[np.float32]] = session.run(None, dict(inputs))
    return found


def _least_cosine(found: Sequence[NDArray[np.float32]], expected: Sequence[torch.Tensor]) -> float:
    """Over all outputs and rows; MODEL_INVALID below 0.99999."""
    pairs = zip(found, expected, strict=True)
    return min(checked_cosine(_rows(one).astype(np.float32), _rows(other.numpy())) for one, other in pairs)


def _rows(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Each row flat and of length one, float64."""
    flat = values.reshape(len(values), -1).astype(np.float64)
    return np.asarray(flat / np.linalg.norm(flat, axis=1, keepdims=True))
