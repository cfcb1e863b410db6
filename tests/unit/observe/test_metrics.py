import urllib.request
from dataclasses import dataclass

import pytest

from soutu.observe.metrics import Metrics


@dataclass
class Pool:
    jobs: int
    replaced: int


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def test_a_call_is_counted_by_method_and_code_and_timed(metrics: Metrics) -> None:
    metrics.request_started("/S/Search")
    assert metrics.registry.get_sample_value("soutu_rpc_running", {"method": "/S/Search"}) == 1
    metrics.request_ended("/S/Search", "OK", 0.02)
    value = metrics.registry.get_sample_value
    assert value("soutu_rpc_running", {"method": "/S/Search"}) == 0
    assert value("soutu_rpc_requests_total", {"method": "/S/Search", "code": "OK"}) == 1
    assert value("soutu_rpc_seconds_sum", {"method": "/S/Search"}) == pytest.approx(0.02)


def test_stages_and_work_are_counted(metrics: Metrics) -> None:
    metrics.stages({"decode": 0.5, "embed": 0.25})
    metrics.degraded("catalog")
    metrics.watch_decoders(Pool(jobs=7, replaced=1))
    metrics.embedded("shape@1", 3)
    metrics.texts_embedded("shape@1", 2)
    metrics.cache_read("answers", hit=False)
    metrics.operation_ended("build", "done")
    value = metrics.registry.get_sample_value
    assert value("soutu_stage_seconds_sum", {"stage": "embed"}) == 0.25
    assert value("soutu_degraded_answers_total", {"part": "catalog"}) == 1
    assert value("soutu_decodes_total") == 7
    assert value("soutu_decoders_replaced_total") == 1
    assert value("soutu_images_embedded_total", {"model": "shape@1"}) == 3
    assert value("soutu_texts_embedded_total", {"model": "shape@1"}) == 2
    assert value("soutu_cache_reads_total", {"cache": "answers", "outcome": "miss"}) == 1
    assert value("soutu_operations_total", {"kind": "build", "state": "done"}) == 1


def test_two_services_in_one_process_do_not_share_metrics(metrics: Metrics) -> None:
    metrics.degraded("catalog")
    assert Metrics().registry.get_sample_value("soutu_degraded_answers_total", {"part": "catalog"}) is None


def test_prometheus_reads_them_over_http_until_closed(metrics: Metrics) -> None:
    metrics.degraded("catalog")
    port = metrics.start("127.0.0.1", 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        page = answer.read().decode()
    assert 'soutu_degraded_answers_total{part="catalog"} 1.0' in page
    assert "process_resident_memory_bytes" in page
    metrics.close()
    metrics.close()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5)
