"""Metrics as prometheus-client writes them, read without it."""

import itertools
import math
from typing import Any

import pytest
from photorestore_client.command import main
from photorestore_client.throughput import compare, parse, quantile, watch
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tests.edge_double import Edge, refuse

BOUNDS = (0.1, 0.5, 1.0, 5.0)


class Service:
    """The families of the REST edge's metrics that are read, and one that is not."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        given: dict[str, Any] = {"registry": self.registry}
        prefix = "photorestore_gateway_"
        self.megapixels = Counter(f"{prefix}restored_megapixels", "text", **given)
        self.requests = Counter(f"{prefix}http_requests", "text", ["route", "method", "status"], **given)
        self.seconds = Histogram(f"{prefix}http_request_seconds", "text", ["route"], buckets=BOUNDS, **given)
        self.in_flight = Gauge(f"{prefix}in_flight_requests", "text", **given)
        Counter("other", 'a "quoted" text', ["label"], **given).labels('x="1",y\\}').inc()

    def answer(self, seconds: float, status: int = 200, route: str = "/v1/restore") -> None:
        self.requests.labels(route, "POST", status).inc()
        self.seconds.labels(route).observe(seconds)
        self.megapixels.inc(2.5)

    def text(self) -> str:
        return generate_latest(self.registry).decode()


def test_rates_are_of_what_was_added_between_two_looks() -> None:
    service = Service()
    for _ in range(100):
        service.answer(4.0)
    before = parse(service.text())
    for seconds in [0.05] * 6 + [0.3] * 10 + [0.7] * 4:
        service.answer(seconds)
    service.answer(0.01, 429)
    service.requests.labels("/metrics", "GET", 200).inc(50)
    service.seconds.labels("/metrics").observe(4)
    service.in_flight.set(3)
    got = compare(before, parse(service.text()), 2.0)
    assert got.megapixels_s == 21 * 2.5 / 2
    assert got.requests_s == 10.5
    assert got.p50_s == pytest.approx(0.1 + 0.4 * 3.5 / 10)
    assert got.p95_s == pytest.approx(0.5 + 0.5 * 2.95 / 4)
    assert got.in_flight == 3
    assert str(got).split() == [
        "26.25",
        "megapixels/s",
        "10.50",
        "requests/s",
        "p50",
        "0.24s",
        "p95",
        "0.87s",
        "3",
        "in",
        "flight",
    ]


def test_a_service_that_began_anew_counts_from_zero() -> None:
    old, new = Service(), Service()
    for _ in range(10):
        old.answer(0.05)
    for _ in range(4):
        new.answer(0.05)
    assert compare(parse(old.text()), parse(new.text()), 1.0).requests_s == 4


def test_nothing_done_has_no_latency() -> None:
    samples = parse(Service().text())
    got = compare(samples, samples, 1.0)
    assert (got.megapixels_s, got.requests_s, math.isnan(got.p50_s)) == (0, 0, True)
    assert compare([], [], 1.0).in_flight == 0
    assert "p50      -" in str(got)


@pytest.mark.parametrize(
    ("q", "expected"), [(0.0, 0.5), (0.25, 0.75), (0.5, 1.0), (0.75, 3.5), (0.9, 5.0), (0.99, 5.0)]
)
def test_quantiles_are_linear_inside_a_bucket_and_end_at_the_last_bound(q: float, expected: float) -> None:
    buckets = {"0.5": 0, "1.0": 50, "5.0": 90, "+Inf": 100}
    assert quantile(buckets, q) == pytest.approx(expected)


def test_labels_may_hold_what_separates_them() -> None:
    sample = next(sample for sample in parse(Service().text()) if sample.name == "other_total")
    assert (dict(sample.labels), sample.value) == ({"label": 'x=\\"1\\",y\\\\}'}, 1.0)


def test_each_look_is_compared_with_the_one_before() -> None:
    service, counts = Service(), itertools.count(1)

    def read() -> str:
        for _ in range(next(counts)):
            service.answer(0.05)
        return service.text()

    first, second = watch(read, 0.05, count=2)
    assert 0 < first.requests_s <= 2 / 0.05
    assert 0 < second.requests_s <= 3 / 0.05


def test_command_prints_a_line_for_each_look(capsys: pytest.CaptureFixture[str]) -> None:
    service = Service()
    service.in_flight.set(7)

    def metrics() -> str:
        service.answer(0.3)
        return service.text()

    with Edge(metrics=metrics) as edge:
        line = ["--watch-throughput", "--every", "0.05", "--count", "3", "--url", edge.url]
        assert main(line) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all("megapixels/s" in line and "p95  0.48s" in line and "7 in flight" in line for line in lines)


def test_command_without_metrics_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with Edge() as edge:
        edge.misbehave.append(refuse(404, "not-found"))
        assert main(["--watch-throughput", "--url", edge.url]) == 3
    assert "not-found" in capsys.readouterr().err


def test_lines_that_are_no_samples_are_left_out() -> None:
    assert parse("# HELP x y\nnonsense\n\n{} 3\n<html> x\nx y\n") == []
