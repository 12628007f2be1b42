"""Jobs of the REST edge, before the real stages."""

import asyncio
import errno
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from photorestore_client import Client, Conflict, Job, JobCancelled, NotFound, Retry

from gateway.http.keys import key_line, make_key
from gateway.settings import HOME
from photorestore.imaging import open_picture
from photorestore.imaging.decoders.header import Picture
from photorestore.options import STAGES
from tests.edge import (
    ENVIRONMENT,
    EdgeClient,
    FakeTorchServe,
    free_port,
    listening,
    make_mask,
    make_picture,
    metric,
    problem,
    running_edge,
    serving,
    until,
)
from tests.jobs import KEYED, emptied, look, names, ready, submit, wait

pytestmark = pytest.mark.anyio


async def test_job_goes_from_submission_to_the_result_of_a_direct_request(
    edge: EdgeClient, folder: Path
) -> None:
    answer = await edge.post("/v1/jobs?format=png&strength=0.8", content=make_picture())
    assert answer.status_code == 202
    assert int(answer.headers["retry-after"]) >= 1
    job = answer.json()
    assert job["state"] in ("queued", "running")
    assert (job["ended"], job["expires"], job["problem"], job["webhook"]) == (None, None, None, None)
    done = await wait(edge, job)
    assert (done["state"], done["tries"], done["id"]) == ("succeeded", 1, job["id"])
    assert list(done["progress"]) == list(STAGES)
    assert (done["progress"]["deliver"], done["progress"]["upscale"]) == ("ran", "passed")
    assert job["created"] <= done["started"] <= done["ended"] < done["expires"]
    result = await edge.get(done["links"]["result"])
    direct = await edge.post("/v1/restore?format=png&strength=0.8", content=make_picture())
    assert (result.status_code, result.headers["content-type"]) == (200, "image/png")
    assert (result.content, result.headers["etag"]) == (direct.content, direct.headers["etag"])
    assert done["result"] == {
        "return": "image",
        "content_type": "image/png",
        "etag": result.headers["etag"],
    }
    again = await edge.get(done["links"]["result"], headers={"If-None-Match": result.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await emptied(folder / "uploads")
    assert "retry-after" not in (await edge.get(job["links"]["self"])).headers


async def test_all_kinds_of_results_can_be_had(edge: EdgeClient) -> None:
    files = {"image": make_picture(), "mask": make_mask()}
    job = (await edge.post("/v1/jobs?format=png&return=report", files=files)).json()
    link = (await wait(edge, job))["links"]["result"]
    report = await edge.get(link)
    assert set(report.json()["trace"]) == set(STAGES)
    assert report.headers["etag"].startswith("W/")
    direct = await edge.post("/v1/restore?format=png&return=mask", files=files)
    mask = await edge.get(f"{link}?return=mask")
    assert (mask.content, mask.headers["content-type"]) == (direct.content, "image/png")
    picture = await edge.get(f"{link}?return=image")
    bundle = await edge.get(f"{link}?return=bundle")
    assert bundle.headers["content-type"].startswith("multipart/mixed; boundary=")
    assert picture.content in bundle.content
    assert mask.content in bundle.content
    assert problem(await edge.get(link, headers={"Accept": "image/png"})) == (406, "not-acceptable")
    assert problem(await edge.get(f"{link}?return=text")) == (400, "unsupported-option")
    assert problem(await edge.get(f"{link}?scale=2")) == (400, "unsupported-option")


async def test_how_sure_new_colours_are_can_be_had(edge: EdgeClient) -> None:
    job = await wait(edge, await submit(edge, "colorize=learned&return=confidence"))
    link = job["links"]["result"]
    direct = await edge.post("/v1/restore/confidence?colorize=learned", content=make_picture())
    for path in (link, f"{link}/confidence", f"{link}?return=confidence"):
        confidence = await edge.get(path)
        assert (confidence.content, confidence.headers["content-type"]) == (direct.content, "image/png")
    part = await edge.get(link, headers={"Range": "bytes=0-7"})
    assert (part.status_code, part.content) == (206, direct.content[:8])
    assert direct.content in (await edge.get(f"{link}/bundle")).content


async def test_without_new_colours_there_is_no_confidence(edge: EdgeClient) -> None:
    job = await wait(edge, await submit(edge))
    answer = await edge.get(f"{job['links']['result']}/confidence")
    assert problem(answer) == (409, "job-has-no-result")
    refused = await edge.post("/v1/jobs?return=confidence", content=make_picture())
    assert problem(refused) == (400, "unsupported-option")


async def test_job_for_a_mask_alone_restores_nothing(edge: EdgeClient, server: FakeTorchServe) -> None:
    job = await wait(edge, await submit(edge, "return=mask"))
    assert server.inferences[0]["options"]["strength"] == 0
    assert (await edge.get(job["links"]["result"])).headers["content-type"] == "image/png"
    picture = await edge.get(f"{job['links']['result']}?return=image")
    assert problem(picture) == (409, "job-has-no-result")


async def test_progress_is_told_by_stage(edge: EdgeClient, server: FakeTorchServe, root: Path) -> None:
    server.is_open.clear()
    job = await submit(edge)
    await until(lambda: server.inferences)
    running = await wait(edge, job, "running")
    assert running["progress"] == dict.fromkeys(STAGES, "waiting")
    workspace = root / server.inferences[0]["workspace_id"]
    (workspace / "preprocess.ran.state").touch()
    (workspace / "denoise.running.state").touch()
    expected = dict.fromkeys(STAGES, "waiting") | {"preprocess": "ran", "denoise": "running"}
    assert (await look(edge, job))["progress"] == expected
    (workspace / "denoise.steps").write_text("30 1500")
    assert (await look(edge, job))["steps"] == {"denoise": {"done": 30, "total": 1500}}
    answer = await edge.get(f"{job['links']['self']}/result")
    assert problem(answer) == (409, "job-has-no-result")
    server.is_open.set()
    ended = await wait(edge, job)
    assert (ended["state"], ended["steps"]) == ("succeeded", {})


async def test_header_of_an_upload_is_read_once_by_the_edge(
    edge: EdgeClient, server: FakeTorchServe, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[bytes] = []

    def note(upload: bytes) -> Picture:
        opened.append(upload)
        return open_picture(upload)

    monkeypatch.setattr("gateway.restore.intake.open_picture", note)
    assert (await wait(edge, await submit(edge)))["state"] == "succeeded"
    assert opened == [make_picture()]
    assert server.inferences[0]["promise"] == {"format": "jpeg", "own_type": "image/png", "unconverted": None}


async def test_what_an_earlier_version_entered_is_decided_at_the_try(
    server: FakeTorchServe, root: Path, folder: Path
) -> None:
    async with running_edge(server, root, jobs_dir=folder, max_requests=1) as edge:
        server.is_open.clear()
        direct = asyncio.create_task(edge.post("/v1/restore?stages=", content=make_picture(seed=9)))
        await until(lambda: server.inferences)
        job = await submit(edge)
        edge.app.state.edge.jobs.store._database._db.execute(
            "UPDATE jobs SET work = json_remove(work, '$.promise')"
        )
        server.is_open.set()
        assert (await direct).status_code == 200
        assert (await wait(edge, job))["state"] == "succeeded"
    assert server.inferences[1]["promise"]["own_type"] == "image/png"


async def test_nobody_waits_so_there_is_as_much_time_as_may_be(
    edge: EdgeClient, server: FakeTorchServe
) -> None:
    await wait(edge, await submit(edge))
    await wait(edge, await submit(edge, "stages=&timeout=33"))
    assert [envelope["options"]["timeout_s"] for envelope in server.inferences] == [600, 33]


async def test_queue_is_bounded_in_jobs_and_bytes(server: FakeTorchServe, root: Path, folder: Path) -> None:
    async with running_edge(server, root, jobs_dir=folder, max_jobs=1, max_queued_jobs=1) as edge:
        server.is_open.clear()
        await wait(edge, await submit(edge), "running")
        second = await submit(edge, seed=1, **{"Idempotency-Key": "a"})
        refused = await edge.post("/v1/jobs", content=make_picture(seed=2))
        assert problem(refused) == (429, "too-many-requests")
        assert int(refused.headers["retry-after"]) >= 1
        assert metric(edge, "rejected_total", reason="jobs") == 1
        again = await submit(edge, seed=1, **{"Idempotency-Key": "a"})
        assert again["id"] == second["id"]
        assert len(names(folder / "uploads")) == 2
        server.is_open.set()
        await wait(edge, second)
    async with running_edge(server, root, jobs_dir=folder, max_queued_bytes=100) as edge:
        refused = await edge.post("/v1/jobs", content=make_picture())
        assert problem(refused) == (429, "too-many-requests")
        await emptied(folder / "uploads")


async def test_the_same_key_and_request_give_the_same_job(edge: EdgeClient, server: FakeTorchServe) -> None:
    key = {"Idempotency-Key": "album-7"}
    answers = await asyncio.gather(
        *(edge.post("/v1/jobs?stages=", content=make_picture(), headers=key) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 202]
    (job_id,) = {answer.json()["id"] for answer in answers}
    done = await wait(edge, answers[0].json())
    again = await edge.post("/v1/jobs?stages=", content=make_picture(), headers=key)
    assert (again.status_code, again.json()["state"]) == (200, "succeeded")
    assert (await edge.get(done["links"]["result"])).status_code == 200
    for query, seed in (("stages=", 1), ("strength=0.5", 0), ("stages=&return=mask", 0)):
        other = await edge.post(f"/v1/jobs?{query}", content=make_picture(seed=seed), headers=key)
        assert problem(other) == (422, "idempotency-key-reused")
    assert len(server.inferences) == 1
    assert (await submit(edge))["id"] != job_id


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ü"])
async def test_idempotency_keys_are_checked(edge: EdgeClient, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode()}
    assert problem(await edge.post("/v1/jobs", content=make_picture(), headers=headers)) == (
        400,
        "bad-request",
    )


async def test_one_caller_never_sees_anothers_job(
    server: FakeTorchServe, root: Path, folder: Path, tmp_path: Path
) -> None:
    mine, theirs = make_key(), make_key()
    (tmp_path / "keys").write_text(f"{key_line('mine', mine)}\n{key_line('theirs', theirs)}\n")
    i, they = (dict[str, Any](Authorization=f"Bearer {key}") for key in (mine, theirs))
    async with running_edge(server, root, jobs_dir=folder, keys_file=tmp_path / "keys") as edge:
        job = await submit(edge, **i, **KEYED)
        others = await submit(edge, seed=1, **they, **KEYED)
        assert others["id"] != job["id"]
        path = job["links"]["self"]
        for answer in (
            await edge.get(path, headers=they),
            await edge.get(f"{path}/result", headers=they),
            await edge.delete(path, headers=they),
        ):
            assert problem(answer) == (404, "not-found")
        assert problem(await edge.get(path)) == (401, "unauthorized")
        assert (await edge.get(path, headers=i)).status_code == 200


async def test_bad_requests_are_refused_at_once_and_leave_nothing(edge: EdgeClient, folder: Path) -> None:
    for query, content, headers, expected in (
        ("strength=2", make_picture(), {}, (400, "unsupported-option")),
        (
            "upscale_method=dip&scale=4",
            make_picture(200, 200, "JPEG"),
            {},
            (400, "unsupported-option"),
        ),
        ("webhook=https://example.org/", make_picture(), {}, (400, "unsupported-option")),
        ("webhook=a&webhook=b", make_picture(), {}, (400, "unsupported-option")),
        ("", make_picture(), {"Accept": "image/png"}, (406, "not-acceptable")),
        ("", make_picture()[:40], {}, (422, "truncated-image")),
        ("", b"", {}, (415, "not-an-image")),
    ):
        answer = await edge.post(f"/v1/jobs?{query}", content=content, headers=headers)
        assert problem(answer) == expected
    await emptied(folder / "uploads")
    assert metric(edge, "jobs_ended_total", state="failed") == 0
    assert problem(await edge.get("/v1/jobs/nosuch")) == (404, "not-found")


async def test_full_disk_is_told_and_passes(
    edge: EdgeClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gateway.jobs.folder_files._sync", full)
    answer = await edge.post("/v1/jobs", content=make_picture())
    assert problem(answer) == (503, "out-of-space")
    assert "disk" in answer.json()["detail"]
    await emptied(folder / "uploads")


async def test_without_a_folder_there_are_no_jobs(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root) as edge:
        answer = await edge.post("/v1/jobs", content=make_picture())
        assert problem(answer) == (404, "not-found")
        assert "--jobs-dir" in answer.json()["detail"]


async def test_metrics_and_openapi_tell_of_jobs(edge: EdgeClient) -> None:
    await wait(edge, await submit(edge))
    text = (await edge.get("/metrics")).text
    for line in (
        'jobs{state="succeeded"} 1.0',
        'jobs{state="queued"} 0.0',
        "oldest_queued_job_seconds 0.0",
        'jobs_ended_total{state="succeeded"} 1.0',
        'job_seconds_count{state="succeeded"} 1.0',
        'http_requests_total{method="POST",route="/v1/jobs",status="202"} 1.0',
    ):
        assert f"photorestore_gateway_{line}\n" in text
    paths = (await edge.get("/openapi.json")).json()["paths"]
    operation = paths["/v1/jobs"]["post"]
    parameters = {parameter["name"] for parameter in operation["parameters"]}
    assert {"stages", "timeout", "return", "webhook", "Idempotency-Key", "X-Request-Id"} <= parameters
    assert {"200", "202", "401", "404", "422", "429", "503"} <= set(operation["responses"])
    assert {"get", "delete"} <= set(paths["/v1/jobs/{job_id}"])
    assert {"200", "304", "404", "409", "410"} <= set(paths["/v1/jobs/{job_id}/result"]["get"]["responses"])


async def test_the_client_speaks_with_the_edge(
    server: FakeTorchServe, root: Path, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "old.png").write_bytes(make_picture())

    def talk(port: int) -> None:
        with Client(f"http://127.0.0.1:{port}", retry=Retry(tries=2, first_s=0.01)) as client:
            changes: list[Job] = []
            job = client.submit(tmp_path / "old.png", idempotency_key="a", format="png", stages=[])
            restored = client.wait(job, timeout_s=60, on_change=changes.append)
            assert restored.content == client.restore(tmp_path / "old.png", format="png", stages=[]).content
            assert restored.etag
            assert changes[-1].state == "succeeded"
            assert changes[-1].progress["deliver"] == "ran"
            with pytest.raises(Conflict, match="Idempotency-Key"):
                client.submit(make_picture(seed=1), idempotency_key="a")
            client.cancel(job)
            with pytest.raises(NotFound):
                client.result(job)

    def cancel(port: int) -> None:
        with Client(f"http://127.0.0.1:{port}") as client:
            job = client.submit(make_picture())
            with pytest.raises(Conflict, match="only one that has succeeded"):
                client.result(job)
            client.cancel(job)
            with pytest.raises(JobCancelled):
                client.wait(job, timeout_s=60)

    async with listening(server, root, jobs_dir=folder) as (port, _):
        await asyncio.to_thread(talk, port)
        server.is_open.clear()
        await asyncio.to_thread(cancel, port)
        server.is_open.set()


async def test_jobs_survive_a_kill(server: FakeTorchServe, root: Path, folder: Path) -> None:
    """The whole program in its own process, before a stand-in that listens on a port."""
    port = free_port()
    async with serving(server) as url:
        command = [sys.executable, "-m", "gateway", "serve", "--port", str(port)]
        command += ["--workspace-root", str(root), "--jobs-dir", str(folder), "--max-jobs", "1"]
        command += ["--inference-url", url, "--management-url", url, "--poll-s", "0.1"]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            process = await asyncio.create_subprocess_exec(*command, cwd=HOME, env=ENVIRONMENT)
            await ready(client)
            server.is_open.clear()
            jobs = [await submit(client, seed=seed) for seed in range(2)]
            await wait(client, jobs[0], "running")
            process.kill()
            await process.wait()
            server.is_open.set()
            process = await asyncio.create_subprocess_exec(*command, cwd=HOME, env=ENVIRONMENT)
            try:
                await ready(client)
                done = [await wait(client, job) for job in jobs]
                assert [(job["state"], job["tries"]) for job in done] == [("succeeded", 2), ("succeeded", 1)]
                for job in done:
                    assert (await client.get(job["links"]["result"])).status_code == 200
            finally:
                process.send_signal(signal.SIGTERM)
                assert await asyncio.wait_for(process.wait(), 30) == 0
    await emptied(folder / "uploads")
