"""What one caller does must not hurt the others."""

import asyncio
import contextlib
import logging
import re
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from gateway.http.connection import Protocol
from gateway.http.keys import key_line
from tests.edge import (
    EdgeClient,
    FakeTorchServe,
    listening,
    make_picture,
    metric,
    problem,
    running_edge,
    until,
)

pytestmark = pytest.mark.anyio

HEAD = "POST /v1/restore?stages={stages} HTTP/1.1\r\nHost: edge\r\nContent-Length: {length}\r\n\r\n"
LARGE = make_picture() + bytes(8 << 20)
"""Comes back as it is, and does not fit into the system's buffers."""


@contextlib.asynccontextmanager
async def caller(
    port: int, picture: bytes, stages: str = ""
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """One who sends a picture, and reads nothing by itself."""
    ours = socket.socket()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    ours.setblocking(False)
    await asyncio.get_running_loop().sock_connect(ours, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=ours, limit=4096)
    writer.write(HEAD.format(stages=stages, length=len(picture)).encode() + picture)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def test_who_does_not_read_the_answer_is_closed(
    server: FakeTorchServe, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    pause = Protocol.pause_writing

    def note(self: Protocol) -> None:
        held.append(self.transport.get_write_buffer_size())
        pause(self)

    monkeypatch.setattr(Protocol, "pause_writing", note)
    async with listening(server, root, answer_grace_s=1, answer_bytes_s=1e9) as (port, app):
        transfers = app.state.edge.transfers
        async with caller(port, LARGE) as (reader, _):
            await until(lambda: transfers.answer_bytes.total == len(LARGE))
            await until(lambda: transfers.answer_bytes.total == 0)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(len(LARGE))
        labels = {"route": "/v1/restore", "method": "POST", "status": "499"}
        registry = app.state.edge.metrics.registry
        assert registry.get_sample_value("photorestore_gateway_http_requests_total", labels) == 1
    assert 0 < max(held) <= 1 << 20  # the rest stays in the file
    assert list(root.iterdir()) == []


async def test_who_reads_slowly_but_steadily_gets_all_of_it(server: FakeTorchServe, root: Path) -> None:
    async with (
        listening(server, root, answer_grace_s=0.5, answer_bytes_s=1e9) as (port, _),
        caller(port, LARGE) as (reader, _),
    ):
        (length,) = re.findall(rb"content-length: (\d+)", await reader.readuntil(b"\r\n\r\n"))
        left, start = int(length), asyncio.get_running_loop().time()
        while left:
            left -= len(await reader.readexactly(min(left, 2 << 20)))
            await asyncio.sleep(0.2)
        assert asyncio.get_running_loop().time() - start > 0.5


async def test_nothing_is_begun_while_too_many_results_are_to_be_read(
    server: FakeTorchServe, root: Path
) -> None:
    async with (
        listening(server, root, max_answer_bytes=1 << 20) as (port, app),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        transfers = app.state.edge.transfers
        async with caller(port, LARGE):
            await until(lambda: transfers.answer_bytes.total)
            refused = await client.post("/v1/restore?stages=", content=make_picture())
            assert problem(refused) == (429, "too-many-requests")
            assert int(refused.headers["retry-after"]) >= 1
        await until(lambda: not transfers.answer_bytes.total)
        assert (await client.post("/v1/restore?stages=", content=make_picture())).status_code == 200


async def test_too_many_unread_bytes_close_who_has_not_read_for_longest(
    server: FakeTorchServe, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http.connection.UNREAD_BYTES", 1)
    both = len(LARGE) + len(b"another")
    async with listening(server, root) as (port, app), contextlib.AsyncExitStack() as callers:
        transfers = app.state.edge.transfers
        closed: list[Protocol] = []

        def note(self: Protocol) -> None:
            closed.append(self)

        monkeypatch.setattr(Protocol, "_give_up", note)
        await callers.enter_async_context(caller(port, LARGE))
        await until(lambda: closed)
        first = closed[-1]
        await callers.enter_async_context(caller(port, LARGE + b"another"))
        await until(lambda: transfers.answer_bytes.total == len(LARGE) + both)
        await until(lambda: len(first._crowd.unread) == 2)
        assert closed[-1] is first


async def test_who_leaves_after_the_upload_stops_the_work(server: FakeTorchServe, root: Path) -> None:
    async with listening(server, root) as (port, app):
        server.inferences.clear()
        server.is_open.clear()
        gateway = app.state.edge
        async with caller(port, make_picture(), stages="denoise"):
            await until(lambda: server.inferences)
        await until(lambda: list(root.glob("*/cancelled")))
        assert gateway.admission.requests.total == 1  # a stage may still be at work
        server.is_open.set()
        await until(lambda: gateway.admission.requests.total == 0)
        value = gateway.metrics.registry.get_sample_value
        assert value("photorestore_gateway_runs_total", {"outcome": "cancelled"}) == 1
        assert value("photorestore_gateway_stage_outcomes_total", {"stage": "denoise", "outcome": "ran"}) == 0


async def test_who_leaves_takes_nothing_from_who_shares_the_run(server: FakeTorchServe, root: Path) -> None:
    async with (
        listening(server, root) as (port, app),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        server.is_open.clear()
        value = app.state.edge.metrics.registry.get_sample_value
        async with caller(port, make_picture()), asyncio.TaskGroup() as group:
            await until(lambda: app.state.edge.admission.requests.total)
            asked = group.create_task(client.post("/v1/restore?stages=", content=make_picture()))
            await until(lambda: value("photorestore_gateway_coalesced_total") == 1)
            await asyncio.sleep(0)
            group.create_task(_open_later(server, app))
        assert asked.result().status_code == 200
        assert 'result;desc="shared"' in asked.result().headers["server-timing"]


async def _open_later(server: FakeTorchServe, app: FastAPI) -> None:
    await asyncio.sleep(0.2)
    server.is_open.set()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A file of two keys, each of which is its name."""
    file = tmp_path / "keys"
    file.write_text("\n".join(key_line(name, name) for name in ("greedy", "modest")))
    return file


def ask(edge: EdgeClient, key: str, seed: int, query: str = "stages=") -> asyncio.Task[httpx.Response]:
    """A restoration of a picture of its own."""
    headers = {"Authorization": f"Bearer {key}"}
    return asyncio.create_task(
        edge.post(f"/v1/restore?{query}", content=make_picture(seed=seed), headers=headers)
    )


async def test_one_key_gets_all_places_but_the_next_goes_to_another(
    server: FakeTorchServe, root: Path, keys: Path
) -> None:
    async with running_edge(server, root, max_requests=2, keys_file=keys) as edge:
        server.is_open.clear()
        admission = edge.app.state.edge.admission
        greedy = [ask(edge, "greedy", seed) for seed in (1, 2)]
        await until(lambda: len(server.inferences) == 2)
        assert problem(await ask(edge, "greedy", 3)) == (429, "too-many-requests")
        modest = ask(edge, "modest", 4)
        await until(lambda: metric(edge, "waiting_requests") == 1)
        assert problem(await ask(edge, "greedy", 5)) == (429, "too-many-requests")
        assert not modest.done()
        server.is_open.set()
        assert (await modest).status_code == 200
        assert {(await task).status_code for task in greedy} == {200}
        assert (admission.requests.total, admission.pixels.total, admission.waiting) == (0, 0, [])


async def test_who_waits_for_a_place_waits_no_longer_than_allowed(
    server: FakeTorchServe, root: Path, keys: Path
) -> None:
    async with running_edge(server, root, max_requests=1, keys_file=keys) as edge:
        server.is_open.clear()
        greedy = ask(edge, "greedy", 1)
        await until(lambda: len(server.inferences) == 1)
        assert problem(await ask(edge, "modest", 2, "stages=&timeout=1")) == (504, "deadline-exceeded")
        assert metric(edge, "waiting_requests") == 0
        server.is_open.set()
        assert (await greedy).status_code == 200
    assert list(root.iterdir()) == []


async def test_one_key_leaves_some_uploads_to_others(server: FakeTorchServe, root: Path, keys: Path) -> None:
    gate = asyncio.Event()

    async def held_up() -> AsyncIterator[bytes]:
        yield b"x"
        await gate.wait()

    async def send(edge: EdgeClient, key: str) -> httpx.Response:
        return await edge.post("/v1/restore", content=held_up(), headers={"Authorization": f"Bearer {key}"})

    async with (
        running_edge(server, root, max_uploads=8, keys_file=keys) as edge,
        asyncio.TaskGroup() as group,
    ):
        uploads = [group.create_task(send(edge, "greedy")) for _ in range(7)]
        await until(lambda: metric(edge, "in_flight_uploads") == 7)
        assert problem(await send(edge, "greedy")) == (429, "too-many-requests")
        uploads.append(group.create_task(send(edge, "modest")))
        await until(lambda: metric(edge, "in_flight_uploads") == 8)
        gate.set()
        assert {problem(await task) for task in uploads} == {(415, "not-an-image")}


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://edge.evil.example"},
    {"Origin": "http://edge", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://edge:81", "Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site"},
]
OWN = [
    {},
    {"Origin": "http://edge"},
    {"Origin": "https://album.example", "Sec-Fetch-Site": "same-origin"},  # a proxy has changed Host
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://friend.example", "Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("path", ["/v1/restore", "/v1/analyze"])
@pytest.mark.parametrize("headers", FOREIGN)
async def test_pages_of_other_origins_make_nobody_send_anything(
    server: FakeTorchServe, root: Path, headers: dict[str, str], path: str
) -> None:
    async with running_edge(server, root, cors_origins=("https://friend.example",)) as edge:
        answer = await edge.post(path, content=make_picture(), headers=headers)
        assert problem(answer) == (403, "foreign-page")
        assert server.inferences == []
        assert (await edge.get("/livez", headers=headers)).status_code == 200


@pytest.mark.parametrize("headers", OWN)
async def test_own_and_allowed_pages_and_programs_may(
    server: FakeTorchServe, root: Path, headers: dict[str, str]
) -> None:
    async with running_edge(server, root, cors_origins=("https://friend.example",)) as edge:
        answer = await edge.post("/v1/restore?stages=", content=make_picture(), headers=headers)
        assert answer.status_code == 200


FORGED = "2026-01-01 00:00:00,000 INFO gateway.http.middleware: request 1: forged"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (f"/x%0A{FORGED}", {}),
        (f"/v1/restore?a%0D%0A{FORGED}=1", {}),
        ("/v1/restore?%1B%5D0;title%07=1", {}),
        ("/v1/restore?%E2%80%AEgnp=1", {}),
        ("/v1/restore", {"Content-Encoding": "\x85x\x9b31m"}),
        ("/v1/restore", {"Content-Type": 'multipart/form-data; boundary="a\x9b31m"'}),
    ],
)
async def test_log_lines_cannot_be_forged(
    server: FakeTorchServe, root: Path, caplog: pytest.LogCaptureFixture, path: str, headers: dict[str, str]
) -> None:
    raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    async with running_edge(server, root) as edge:
        caplog.clear()
        with caplog.at_level(logging.INFO):
            answer = await edge.post(path, content=b"x", headers=raw)
    assert answer.status_code >= 400
    assert answer.json()["detail"].isprintable()  # it may be shown in a terminal
    assert all(record.getMessage().isprintable() for record in caplog.records)


async def test_silent_connections_make_room_for_others(
    server: FakeTorchServe, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http.server.CONNECTIONS", 4)
    monkeypatch.setattr("gateway.http.connection.SPARE", 2)
    async with listening(server, root) as (port, _), contextlib.AsyncExitStack() as opened:
        for number in range(40):
            silent = opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            silent.sendall(b"POST /v1/restore HTTP/1.1\r\n" * (number % 2))
            await asyncio.sleep(0)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            assert (await client.get("/livez")).status_code == 200
            assert (await client.post("/v1/restore?stages=", content=make_picture())).status_code == 200


async def test_beyond_the_busy_connections_a_problem_is_answered_and_livez_too(
    server: FakeTorchServe, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http.server.CONNECTIONS", 4)
    async with listening(server, root) as (port, app), contextlib.AsyncExitStack() as opened:
        server.is_open.clear()
        for seed in range(4):
            await opened.enter_async_context(caller(port, make_picture(seed=seed)))
        await until(lambda: app.state.edge.admission.requests.total == 4)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            refused = await client.post("/v1/restore?stages=", content=make_picture(seed=9))
            assert problem(refused) == (503, "too-many-connections")
            assert int(refused.headers["retry-after"]) >= 1
            assert (await client.get("/livez")).status_code == 200
            assert (await client.get("/readyz")).status_code == 200
        server.is_open.set()


async def test_what_can_never_fit_is_413(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root, max_upload_bytes=1000) as edge:
        refused = await edge.post("/v1/restore", content=make_picture())
        assert problem(refused) == (413, "payload-too-large")

        async def unannounced() -> AsyncIterator[bytes]:
            yield make_picture()

        assert problem(await edge.post("/v1/restore", content=unannounced())) == (413, "payload-too-large")


async def test_what_is_larger_than_all_shared_memory_is_413(
    server: FakeTorchServe, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.restore.upload.all_bytes", lambda _: 1000)
    async with running_edge(server, root) as edge:
        refused = await edge.post("/v1/restore", content=make_picture())
        assert problem(refused) == (413, "payload-too-large")
        assert "1000 bytes" in refused.json()["detail"]


async def test_a_clock_that_is_set_ends_no_request_in_flight(
    server: FakeTorchServe, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_edge(server, root) as edge:
        server.is_open.clear()
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(edge.post("/v1/restore?stages=&timeout=60", content=make_picture()))
            await until(lambda: len(server.inferences) == 1)
            real = time.time
            monkeypatch.setattr(time, "time", lambda: real() + 3600)
            shared = group.create_task(edge.post("/v1/restore?stages=&timeout=60", content=make_picture()))
            await until(lambda: metric(edge, "coalesced_total") == 1)
            server.is_open.set()
        assert (asked.result().status_code, shared.result().status_code) == (200, 200)
