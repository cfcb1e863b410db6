"""The dashboard and the alerts name metrics, labels and values that Soutu has."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from soutu.observe.metrics import Metrics
from soutu.v1 import search_pb2
from tests.project.source import ROOT

DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "soutu.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
# Of Prometheus itself, and of functions and words of its language.
GIVEN = {"up", "job", "instance", "le"}
_METRIC = re.compile(r"\b((?:soutu|process|python)_[a-z_]+)\b")
_BY = re.compile(r"\bby \(([a-z_, ]+)\)")
_MATCHED = re.compile(r'([a-z_]+)(?:=~|=|!=)"')


class Pool:
    jobs = replaced = 0


class Queue:
    running = waiting = 0
    refused: Mapping[str, int] = {"late": 0}


class Room:
    held_bytes = refused = 0


@pytest.fixture(scope="module")
def labels() -> dict[str, set[str]]:
    """The labels of every series that Soutu can show, by the series' name."""
    metrics = Metrics()
    metrics.request_started("m")
    metrics.request_ended("m", "OK", 0.1)
    metrics.stages({"embed": 0.1})
    metrics.degraded("catalog")
    metrics.waited("queries", 0.1)
    metrics.embedded("m@1", 1)
    metrics.bad_vectors("m@1")
    metrics.cache_read("answers", hit=True)
    metrics.operation_ended("build", "done")
    metrics.watch_decoders(Pool())
    metrics.watch_queues({"queries": Queue()}, Room())  # type: ignore[dict-item]
    found: dict[str, set[str]] = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def panels() -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return found


def expressions() -> Iterator[str]:
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])
    # An expression of several lines is folded under its key.
    for rule in re.findall(r"expr: (.*?)\n {8}\w+:", ALERTS.read_text("utf-8"), re.DOTALL):
        yield " ".join(rule.removeprefix(">-").split())


@pytest.mark.parametrize("expression", list(expressions()))
def test_what_is_asked_for_exists(expression: str, labels: Mapping[str, set[str]]) -> None:
    named = set(_METRIC.findall(expression))
    assert named or expression.startswith("up{")
    assert named <= labels.keys()
    has = set().union(*(labels[name] for name in named)) | GIVEN
    grouped = {label for found in _BY.findall(expression) for label in found.split(", ")}
    assert grouped | set(_MATCHED.findall(expression)) <= has


def test_every_metric_of_ours_is_shown(labels: Mapping[str, set[str]]) -> None:
    shown = {name for text in expressions() for name in _METRIC.findall(text)}
    ours = {name for name in labels if name.startswith("soutu_") and not name.endswith("_created")}
    families = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in ours}
    assert {name for name in families if not any(each.startswith(name) for each in shown)} == set()


def test_the_method_that_is_watched_exists() -> None:
    service = search_pb2.DESCRIPTOR.services_by_name["SearchService"]
    method = f"/{service.full_name}/{service.methods_by_name['Search'].name}"
    watched = {name for text in expressions() for name in re.findall(r'method="([^"]+)"', text)}
    assert watched == {method}


def test_panels_are_told_apart_and_lie_beside_each_other() -> None:
    assert len({panel["id"] for panel in panels()}) == len(panels()) >= 12
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels()]
    assert len(set(places)) == len(places)
    assert all(panel["title"] and panel["description"] for panel in panels())
