"""Every metric of the service, declared once, and the port that Prometheus reads them on."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from threading import Thread
from typing import Generic, Protocol, TypeVar
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

_Kind = TypeVar("_Kind", Counter, Gauge, Histogram)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Decoders(Protocol):
    """What decodes images, and counts."""

    jobs: int
    """Images decoded or refused."""
    replaced: int
    """Decoding processes that were killed, or died, and whose place another took."""


class Turns(Protocol):
    """A queue that counts. `refused` is by why."""

    running: int
    refused: dict[str, int]

    @property
    def waiting(self) -> int:
        """Calls that wait."""
        ...


class Room(Protocol):
    """Room for requests, that counts."""

    held_bytes: int
    refused: int


class _Labelled(Generic[_Kind]):
    """A metric whose children, one for each set of label values, are remembered: to look one up takes longer
    than to count."""

    def __init__(self, metric: _Kind) -> None:
        self.labels: Callable[..., _Kind] = cache(metric.labels)


class Metrics:
    """The metrics of one process, in a registry of their own.

    Label values come from small sets: methods, codes, stages, kinds, models.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._server: tuple[WSGIServer, Thread] | None = None
        self._declare_requests()
        self._declare_work()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def _declare_requests(self) -> None:
        self._requests = self._counter("soutu_rpc_requests", "Calls answered.", "method", "code")
        self._running = self._gauge("soutu_rpc_running", "Calls being answered.", "method")
        self._request_seconds = self._histogram("soutu_rpc_seconds", "From call to answer.", "method")
        self._stage_seconds = self._histogram("soutu_stage_seconds", "Time in one stage of a call.", "stage")
        self._wait_seconds = self._histogram(
            "soutu_queue_wait_seconds", "Wait of calls that had to and got their turn.", "queue"
        )
        self._degraded = self._counter("soutu_degraded_answers", "Answers given without a part.", "part")

    def _declare_work(self) -> None:
        self._embedded = self._counter(
            "soutu_images_embedded", "Images that a model turned into vectors.", "model"
        )
        self._texts_embedded = self._counter(
            "soutu_texts_embedded", "Texts that a model turned into vectors.", "model"
        )
        self._bad_vectors = self._counter(
            "soutu_bad_vectors", "Answers of a model that were no unit vectors.", "model"
        )
        self._cache_reads = self._counter(
            "soutu_cache_reads", "Cache look-ups, by outcome.", "cache", "outcome"
        )
        self._operations = self._counter("soutu_operations", "Operations ended.", "kind", "state")

    def request_started(self, method: str) -> None:
        """A call began; `method` is such as "/soutu.v1.SearchService/Search"."""
        self._running.labels(method).inc()

    def request_ended(self, method: str, code: str, seconds: float) -> None:
        """A call that had started was answered; `code` is the gRPC status's name."""
        self._running.labels(method).dec()
        self._requests.labels(method, code).inc()
        self._request_seconds.labels(method).observe(seconds)

    def request_refused(self, method: str, code: str) -> None:
        """A call was answered that never started."""
        self._requests.labels(method, code).inc()

    def stages(self, seconds: Mapping[str, float]) -> None:
        """What each stage of one call took."""
        for stage, spent in seconds.items():
            self._stage_seconds.labels(stage).observe(spent)

    def degraded(self, part: str) -> None:
        """An answer was given without `part`."""
        self._degraded.labels(part).inc()

    def watch_decoders(self, decoders: Decoders) -> None:
        """Reads the counts of the decoding processes whenever the metrics are asked for."""
        self.registry.register(_DecoderCollector(decoders))

    def watch_queues(self, queues: Mapping[str, Turns], room: Room) -> None:
        """Reads the counts of the queues whenever the metrics are asked for."""
        self.registry.register(_QueueCollector(queues, room))

    def waited(self, queue: str, seconds: float) -> None:
        """A call has waited for its turn in a queue."""
        self._wait_seconds.labels(queue).observe(seconds)

    def embedded(self, model: str, images: int) -> None:
        """A model made vectors of so many images."""
        self._embedded.labels(model).inc(images)

    def texts_embedded(self, model: str, texts: int) -> None:
        """A model made vectors of so many texts."""
        self._texts_embedded.labels(model).inc(texts)

    def bad_vectors(self, model: str) -> None:
        """A model answered with another shape, NaN or a zero vector, of which nothing is stored: an alarm."""
        self._bad_vectors.labels(model).inc()

    def cache_read(self, cache: str, hit: bool) -> None:
        """A cache was asked."""
        self._cache_reads.labels(cache, "hit" if hit else "miss").inc()

    def operation_ended(self, kind: str, state: str) -> None:
        """A long-running operation reached its last state."""
        self._operations.labels(kind, state).inc()

    def start(self, host: str, port: int) -> int:
        """Serves the metrics over HTTP from a thread; returns the port (a free one for 0).

        OSError if the address is taken or not ours.
        """
        self._server = start_http_server(port, host, self.registry)
        return self._server[0].server_port

    def close(self) -> None:
        """Stops serving, if it was."""
        if self._server is None:
            return
        server, thread = self._server
        self._server = None
        server.shutdown()
        server.server_close()
        thread.join()

    def _counter(self, name: str, meaning: str, *labels: str) -> _Labelled[Counter]:
        return _Labelled(Counter(name, meaning, labels, registry=self.registry))

    def _gauge(self, name: str, meaning: str, *labels: str) -> _Labelled[Gauge]:
        return _Labelled(Gauge(name, meaning, labels, registry=self.registry))

    def _histogram(self, name: str, meaning: str, *labels: str) -> _Labelled[Histogram]:
        return _Labelled(Histogram(name, meaning, labels, registry=self.registry, buckets=_SECONDS))


class _DecoderCollector(Collector):
    def __init__(self, decoders: Decoders) -> None:
        self._decoders = decoders

    def collect(self) -> Iterator[Metric]:
        decoders = self._decoders
        yield CounterMetricFamily("soutu_decodes", "Images decoded or refused.", decoders.jobs)
        yield CounterMetricFamily(
            "soutu_decoders_replaced", "Decoding processes killed and replaced.", decoders.replaced
        )


class _QueueCollector(Collector):
    def __init__(self, queues: Mapping[str, Turns], room: Room) -> None:
        self._queues = queues
        self._room = room

    def collect(self) -> Iterator[Metric]:
        running = _gauges("soutu_queue_running", "Units of work that have their turn.", "queue")
        length = _gauges("soutu_queue_length", "Calls that wait for their turn.", "queue")
        refused = CounterMetricFamily("soutu_queue_refused", "Calls refused.", labels=["queue", "why"])
        for name, turns in self._queues.items():
            running.add_metric([name], turns.running)
            length.add_metric([name], turns.waiting)
            for why, count in turns.refused.items():
                refused.add_metric([name, why], count)
        refused.add_metric(["requests", "bytes"], self._room.refused)
        held = GaugeMetricFamily(
            "soutu_request_bytes", "Bytes of the requests under way.", self._room.held_bytes
        )
        yield from (running, length, refused, held)


def _gauges(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, labels=labels)
