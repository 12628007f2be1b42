"""Limits, shared runs and kept results, before the real stages."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from photorestore.options import Options
from tests.edge import (
    EdgeClient,
    FakeTorchServe,
    make_picture,
    metric,
    problem,
    running_edge,
    until,
)

pytestmark = pytest.mark.anyio


async def test_result_that_the_caller_has_costs_no_inference(
    edge: EdgeClient, server: FakeTorchServe
) -> None:
    first = await edge.post("/v1/restore?stages=", content=make_picture())
    etag = first.headers["etag"]
    for sent in (etag, f'"other", {etag}', f"W/{etag}"):
        again = await edge.post(
            "/v1/restore?stages=", content=make_picture(), headers={"If-None-Match": sent}
        )
        assert problem(again) == (412, "precondition-failed")
        assert again.headers["etag"] == etag
    assert len(server.inferences) == 1
    assert metric(edge, "precondition_failed_total") == 3


async def test_etag_is_of_input_options_and_type(edge: EdgeClient) -> None:
    async def etag(query: str, accept: str = "", seed: int = 0) -> str:
        headers = {"Accept": accept}
        answer = await edge.post(
            f"/v1/restore?stages=&{query}", content=make_picture(seed=seed), headers=headers
        )
        return answer.headers["etag"]

    plain = await etag("")
    assert plain == await etag("timeout=50", "image/*")
    assert await etag("format=jpeg") == await etag("", "image/jpeg") != plain  # not the upload's type
    others = [
        await etag("quality=90"),
        await etag("", "image/png"),
        await etag("", seed=1),
        await etag("return=report"),
    ]
    assert len({plain, *others}) == 5
    gateway = edge.app.state.edge
    gateway.release = replace(gateway.release, fingerprint="other weights")
    assert await etag("") != plain


async def test_identical_requests_in_flight_share_one_run(
    edge: EdgeClient, server: FakeTorchServe, root: Path
) -> None:
    server.is_open.clear()
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task(edge.post("/v1/restore?stages=", content=make_picture())) for _ in range(5)
        ]
        await until(lambda: metric(edge, "coalesced_total") == 4)
        assert metric(edge, "in_flight_requests") == 1
        assert len(list(root.iterdir())) <= 5
        server.is_open.set()
    assert len({task.result().content for task in asked}) == 1
    assert len({task.result().headers["x-request-id"] for task in asked}) == 5
    assert len(server.inferences) == 1
    assert metric(edge, "in_flight_requests") == 0


async def test_who_shares_a_run_keeps_their_own_deadline(edge: EdgeClient, server: FakeTorchServe) -> None:
    server.is_open.clear()
    async with asyncio.TaskGroup() as group:
        hasty = group.create_task(edge.post("/v1/restore?timeout=1", content=make_picture()))
        await until(lambda: len(server.inferences) == 1)
        patient = group.create_task(edge.post("/v1/restore?timeout=60", content=make_picture()))
        await until(lambda: metric(edge, "coalesced_total") == 1)
        assert problem(await hasty) == (504, "deadline-exceeded")
        server.is_open.set()  # the stages find that the first caller's time is over
    assert patient.result().status_code == 200
    assert len(server.inferences) == 2


async def test_deadline_reaches_the_stages(edge: EdgeClient, server: FakeTorchServe) -> None:
    before = Options(timeout_s=7)
    await edge.post("/v1/restore?timeout=7", content=make_picture())
    deadline, directory = server.inferences[0]["deadline"], server.inferences[0]["workspace_id"]
    assert abs(deadline - int(directory.split("-")[0])) < before.timeout_s


async def test_requests_beyond_the_limit_are_told_when_to_come_back(
    server: FakeTorchServe, root: Path
) -> None:
    async with running_edge(server, root, max_requests=2) as edge:
        server.is_open.clear()
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(edge.post("/v1/restore?stages=", content=make_picture(seed=seed)))
                for seed in range(6)
            ]
            await until(lambda: metric(edge, "rejected_total", reason="requests") == 4)
            server.is_open.set()
        refused = [task.result() for task in asked if task.result().status_code != 200]
        assert [problem(answer) for answer in refused] == [(429, "too-many-requests")] * 4
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert len(server.inferences) == 2


async def test_pixels_beyond_the_limit_wait_but_a_picture_alone_goes_in(
    server: FakeTorchServe, root: Path
) -> None:
    async with running_edge(server, root, max_pixels=3000) as edge:
        server.is_open.clear()
        async with asyncio.TaskGroup() as group:
            large = group.create_task(edge.post("/v1/restore?stages=", content=make_picture(80, 60)))
            await until(lambda: metric(edge, "in_flight_pixels") == 4800)
            second = await edge.post("/v1/restore?stages=", content=make_picture(10, 10))
            server.is_open.set()
        assert problem(second) == (429, "too-many-requests")
        assert large.result().status_code == 200


async def test_uploads_are_bounded_in_number_and_bytes(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root, max_uploads=1) as edge:
        with edge.app.state.edge.transfers.uploading(""):
            answer = await edge.post("/v1/restore", content=make_picture())
        assert problem(answer)[0] == 429
    picture = make_picture()
    gate = asyncio.Event()

    async def held_up() -> AsyncIterator[bytes]:
        yield picture
        await gate.wait()

    async with (
        running_edge(server, root, max_upload_bytes=len(picture)) as edge,
        asyncio.TaskGroup() as group,
    ):
        first = group.create_task(edge.post("/v1/restore?stages=", content=held_up()))
        await until(lambda: edge.app.state.edge.transfers.upload_bytes.total)
        assert problem(await edge.post("/v1/restore", content=picture))[0] == 429
        assert metric(edge, "rejected_total", reason="uploads") == 1
        gate.set()
        assert (await first).status_code == 200
        assert metric(edge, "in_flight_uploads") == 0


async def test_slow_upload_times_out_alone(server: FakeTorchServe, root: Path) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.02)

    async with running_edge(server, root, upload_grace_s=0.5, max_requests=1) as edge:
        async with asyncio.TaskGroup() as group:
            slow = [group.create_task(edge.post("/v1/restore", content=trickle())) for _ in range(10)]
            await until(lambda: metric(edge, "in_flight_uploads") == 10)
            assert (await edge.post("/v1/restore?stages=", content=make_picture())).status_code == 200
        assert {problem(task.result()) for task in slow} == {(408, "upload-too-slow")}
        assert slow[0].result().headers["connection"] == "close"


async def test_results_are_kept_where_a_folder_is_given(
    server: FakeTorchServe, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.restore.release.fingerprint", lambda _: "of built archives")
    for count in (1, 1):  # the second edge finds what the first one kept
        async with running_edge(server, root, cache_dir=tmp_path / "kept") as edge:
            answers = [await edge.post("/v1/restore?stages=", content=make_picture()) for _ in range(2)]
            assert answers[0].content == answers[1].content
            assert 'result;desc="kept"' in answers[1].headers["server-timing"]
            assert metric(edge, "cache_hits_total") >= count
    assert len(list((tmp_path / "kept").iterdir())) == 1
