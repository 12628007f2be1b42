"""Jobs, as the client submits, awaits and cancels them."""

import io
from pathlib import Path

import pytest
from photorestore_client import (
    BadPicture,
    Client,
    Job,
    JobCancelled,
    NotFound,
    TimedOut,
)

from tests.edge_double import (
    JPEG,
    Edge,
    Handler,
)


def test_job_is_submitted_waited_for_and_fetched(edge: Edge, client: Client, tmp_path: Path) -> None:
    (tmp_path / "old.jpg").write_bytes(b"old")
    job = client.submit(tmp_path / "old.jpg", scale=2)
    changes: list[Job] = []
    restored = client.wait(job, on_change=changes.append)
    assert (job.state, edge.seen[0].path, edge.seen[0].query) == ("queued", "/v1/jobs", {"scale": "2"})
    assert [change.state for change in changes] == ["queued", "running", "succeeded"]
    assert changes[-1].progress == {"denoise": "ran"}
    assert restored.content == client.result(job.id).content
    assert edge.seen[-1].path == f"/v1/jobs/{job.id}/result"


def test_submitting_again_with_the_same_key_gives_the_same_job(edge: Edge, client: Client) -> None:
    first, second = (client.submit(b"old", idempotency_key="album-7") for _ in range(2))
    assert first.id == second.id
    assert client.submit(b"old").id != first.id


def test_a_webhook_is_asked_for_in_the_query(edge: Edge, client: Client) -> None:
    client.submit(b"old", webhook="https://album.example/told?a=b")
    assert edge.seen[0].query == {"webhook": "https://album.example/told?a=b"}


def test_a_lost_answer_makes_no_second_job(edge: Edge, client: Client) -> None:
    def answer_nothing(handler: Handler) -> None:
        handler.wfile = io.BytesIO()
        handler.job("")
        handler.close_connection = True

    edge.misbehave.append(answer_nothing)
    client.submit(b"old")
    assert len(edge.seen) == 2
    assert len(edge.jobs) == 1


def test_cancelled_job(edge: Edge, client: Client) -> None:
    job = client.submit(b"old")
    client.cancel(job)
    assert edge.seen[-1].method == "DELETE"
    with pytest.raises(JobCancelled):
        client.wait(job)


def test_failed_job_raises_its_problem(edge: Edge, client: Client) -> None:
    job = client.submit(b"old")
    document = {"type": "urn:photorestore:problem:truncated-image", "status": 422, "detail": "breaks off"}
    edge.jobs[job.id] |= {"end": "failed", "problem": document}
    with pytest.raises(BadPicture, match="breaks off") as caught:
        client.wait(job)
    assert caught.value.request_id


def test_waiting_for_a_job_ends_in_time_and_the_job_goes_on(edge: Edge, client: Client) -> None:
    job = client.submit(b"old")
    edge.jobs[job.id]["end"] = "running"
    with pytest.raises(TimedOut, match=job.id):
        client.wait(job, timeout_s=0.3)
    edge.jobs[job.id]["end"] = "succeeded"
    assert client.wait(job).content.startswith(JPEG)


def test_ids_of_jobs_are_quoted(edge: Edge, client: Client) -> None:
    with pytest.raises(NotFound):
        client.job("../stages?x")
    assert edge.seen[0].path == "/v1/jobs/..%2Fstages%3Fx"
