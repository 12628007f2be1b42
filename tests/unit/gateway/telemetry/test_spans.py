"""Spans of requests, as a receiver of OTLP gets them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.http.keys import key_line, make_key
from gateway.telemetry.tracing import ENDPOINTS, Tracing
from photorestore.options import STAGES
from tests.edge import FakeTorchServe, make_picture, running_edge, until
from tests.jobs import submit, wait
from tests.logged import logged
from tests.otlp import Receiver, attributes_of, receiving_spans

pytestmark = pytest.mark.anyio

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS: dict[str, Any] = {"traceparent": f"00-{TRACE}-{SPAN}-01", "X-Request-Id": "album-7"}
ERROR = 2


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving_spans() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        yield found


def tracing_to(receiver: Receiver) -> Tracing:
    return Tracing.of({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url})


async def test_a_request_is_one_trace_from_the_edge_to_each_stage(
    server: FakeTorchServe, root: Path, receiver: Receiver
) -> None:
    async with running_edge(server, root, tracing=tracing_to(receiver)) as edge:
        with logged() as lines:
            answer = await edge.post(
                "/v1/restore?stages=denoise&webhook=hush", content=b"", headers={"traceparent": ""}
            )
            assert answer.status_code == 400
            answer = await edge.post("/v1/restore?stages=denoise", content=make_picture(), headers=HEADERS)
        assert answer.status_code == 200
    spans = [span for span in receiver.spans if span.trace_id.hex() == TRACE]
    assert {span.name for span in spans} >= {"POST /v1/restore", "upload", "run", *STAGES}
    by_name = {span.name: span for span in spans}
    request, run = by_name["POST /v1/restore"], by_name["run"]
    assert request.parent_span_id.hex() == SPAN
    assert run.parent_span_id == by_name["upload"].parent_span_id == request.span_id
    for stage in STAGES:
        assert by_name[stage].parent_span_id == run.span_id
        assert run.start_time_unix_nano <= by_name[stage].start_time_unix_nano
        assert by_name[stage].end_time_unix_nano <= run.end_time_unix_nano
    assert attributes_of(by_name["denoise"])["photorestore.outcome"] == "ran"
    assert attributes_of(by_name["face"])["photorestore.outcome"] == "passed"
    assert attributes_of(request)["photorestore.request_id"] == "album-7"
    assert attributes_of(request)["http.route"] == "/v1/restore"
    assert "hush" not in str(receiver.spans)
    assert server.inferences[-1]["traceparent"][3:35] == TRACE
    (line,) = (line for line in lines if line.get("status") == 200)
    assert line["trace_id"] == TRACE
    assert {found["service.name"] for found in receiver.resources} == {"photorestore"}


async def test_a_request_without_a_trace_begins_one(
    server: FakeTorchServe, root: Path, receiver: Receiver
) -> None:
    async with running_edge(server, root, tracing=tracing_to(receiver)) as edge:
        with logged() as lines:
            await edge.post("/v1/restore?stages=", content=make_picture())
    (line,) = (line for line in lines if line.get("route") == "/v1/restore")
    assert {span.trace_id.hex() for span in receiver.spans if span.name != "GET /readyz"} == {
        line["trace_id"]
    }


async def test_a_stage_that_fails_is_seen_to_fail(
    server: FakeTorchServe, root: Path, receiver: Receiver
) -> None:
    async with running_edge(server, root, tracing=tracing_to(receiver)) as edge:
        answer = await edge.post("/v1/restore", content=make_picture()[:-400], headers=HEADERS)
    assert answer.status_code == 422
    assert "trace" not in answer.json()
    failed = receiver.named("preprocess")
    assert failed.status.code == ERROR
    assert receiver.named("run").status.code == ERROR
    assert failed.trace_id.hex() == TRACE


async def test_waiting_is_seen(
    server: FakeTorchServe, root: Path, receiver: Receiver, tmp_path: Path
) -> None:
    """Two keys share one place: the second waits for it."""
    keys = {name: make_key() for name in ("first", "second")}
    (tmp_path / "keys").write_text("\n".join(key_line(name, key) for name, key in keys.items()))
    settings: dict[str, Any] = {"keys_file": tmp_path / "keys", "max_requests": 1}
    async with running_edge(server, root, tracing=tracing_to(receiver), **settings) as edge:
        server.is_open.clear()
        asked = [
            asyncio.create_task(
                edge.post(
                    "/v1/restore?stages=",
                    content=make_picture(seed=seed),
                    headers={"Authorization": f"Bearer {key}"},
                )
            )
            for seed, key in enumerate(keys.values())
        ]
        await until(lambda: edge.app.state.edge.admission.waiting)
        await asyncio.sleep(0.05)
        server.is_open.set()
        answers = await asyncio.gather(*asked)
    assert [answer.status_code for answer in answers] == [200, 200]
    waited = receiver.named("queue")
    assert waited.end_time_unix_nano - waited.start_time_unix_nano > 40e6
    queued = [span for span in receiver.spans if span.name == "preprocess queue"]
    assert max(span.end_time_unix_nano - span.start_time_unix_nano for span in queued) > 40e6


async def test_a_job_belongs_to_the_trace_of_the_request_that_submitted_it(
    server: FakeTorchServe, root: Path, receiver: Receiver, tmp_path: Path
) -> None:
    async with running_edge(server, root, tracing=tracing_to(receiver), jobs_dir=tmp_path / "jobs") as edge:
        job = await submit(edge, **HEADERS)
        await wait(edge, job)
    work, run = receiver.named("job"), receiver.named("run")
    assert work.trace_id.hex() == run.trace_id.hex() == receiver.named("deliver").trace_id.hex() == TRACE
    assert work.parent_span_id == receiver.named("POST /v1/jobs").span_id
    assert run.parent_span_id == work.span_id
    assert attributes_of(work)["photorestore.job"] == job["id"]


async def test_health_checks_are_not_traced(server: FakeTorchServe, root: Path, receiver: Receiver) -> None:
    async with running_edge(server, root, tracing=tracing_to(receiver)) as edge:
        for path in ("/livez", "/readyz", "/metrics"):
            await edge.get(path)
    assert receiver.spans == []


async def test_a_receiver_that_does_not_answer_costs_no_request(server: FakeTorchServe, root: Path) -> None:
    tracing = Tracing.of({ENDPOINTS[1]: "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"})
    async with running_edge(server, root, tracing=tracing) as edge:
        answer = await edge.post("/v1/restore?stages=", content=make_picture())
    assert answer.status_code == 200
