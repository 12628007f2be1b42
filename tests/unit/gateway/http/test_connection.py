"""Connections of callers: slow, idle, endless, and left."""

import asyncio
import contextlib
import re
from pathlib import Path

import httpx
import pytest

from tests.edge import FakeTorchServe, listening, make_picture, until

pytestmark = pytest.mark.anyio


async def talk(port: int, *sent: bytes) -> bytes:
    """Send pieces, and read until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in sent:
            writer.write(piece)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()


HEAD = b"POST /v1/restore?stages= HTTP/1.1\r\nHost: edge\r\n"


async def test_slow_heads_and_bodies_are_closed_and_leave_others_alone(
    server: FakeTorchServe, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http.connection.HEAD_S", 0.5)
    async with listening(server, root, upload_grace_s=0.5) as (port, app), asyncio.TaskGroup() as group:
        silent = [group.create_task(talk(port)) for _ in range(5)]
        heads = [group.create_task(talk(port, HEAD)) for _ in range(5)]
        bodies = [group.create_task(talk(port, HEAD, b"Content-Length: 99\r\n\r\nx")) for _ in range(5)]
        await until(lambda: app.state.edge.transfers.uploads.total == 5)
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"http://127.0.0.1:{port}/v1/restore?stages=", content=make_picture())
        assert answer.status_code == 200
        assert [await task for task in silent + heads] == [b""] * 10
        assert {(await task)[:12] for task in bodies} == {b"HTTP/1.1 408"}
    assert list(root.iterdir()) == []


async def read_answer(reader: asyncio.StreamReader) -> None:
    """Read one answer of 200, and no more."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    assert head.startswith(b"HTTP/1.1 200 ")
    (length,) = re.findall(rb"content-length: (\d+)", head)
    await reader.readexactly(int(length))


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a small request and read its answer."""
    writer.write(b"GET /livez HTTP/1.1\r\nHost: edge\r\n\r\n")
    await read_answer(reader)


async def test_connections_are_kept_for_the_next_request(
    server: FakeTorchServe, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head that has begun must end soon, but the next one may begin late."""
    monkeypatch.setattr("gateway.http.connection.HEAD_S", 1)
    async with listening(server, root, keep_alive_s=4) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await ask(reader, writer)
        await asyncio.sleep(1.5)
        await ask(reader, writer)
        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()


async def test_idle_connections_do_not_keep_others_out(
    server: FakeTorchServe, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http.server.CONNECTIONS", 4)
    monkeypatch.setattr("gateway.http.connection.KEEP_ALIVE_IN_A_CROWD_S", 0.1)
    async with listening(server, root) as (port, _):
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for connection in kept:
            await ask(*connection)
        for reader, writer in kept:
            assert await asyncio.wait_for(reader.read(), 30) == b""
            writer.close()


LONG = b"x" * (1 << 20)


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([b"GET /" + LONG], b"HTTP/1.1 400"),
        ([HEAD, b"A: " + LONG], b"HTTP/1.1 400"),
        ([HEAD, *[b"A: b\r\n" * 1000] * 100], b"HTTP/1.1 400"),
        ([HEAD, b"Transfer-Encoding: chunked\r\n\r\n1;" + LONG], b""),
        ([HEAD, b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: " + LONG], b""),
        ([HEAD, b"Content-Length: 1\r\nConnection: keep-alive\r\n\r\n", b"x" + HEAD + b"A: " + LONG], b""),
    ],
)
async def test_heads_without_an_end_are_not_collected(
    server: FakeTorchServe, root: Path, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes], status: bytes
) -> None:
    monkeypatch.setattr("gateway.http.connection.HEAD_S", 600)
    async with listening(server, root) as (port, _):
        with contextlib.suppress(ConnectionError):  # closed while there is more to send
            assert (await talk(port, *pieces))[:12] in (status, b"")
    assert list(root.iterdir()) == []


async def test_an_upgrade_that_is_offered_with_a_picture_is_passed_over(
    server: FakeTorchServe, root: Path
) -> None:
    """As clients that would like to speak HTTP/2 do, Java's among them."""
    picture = make_picture()
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
    async with listening(server, root) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = HEAD + offer + b"Content-Length: %d\r\n\r\n" % len(picture) + picture
        writer.write(request[:40])
        await asyncio.sleep(0.05)
        writer.write(request[40:] + 2 * request)
        for _ in range(3):
            await read_answer(reader)
        writer.close()


async def test_an_upload_that_one_read_brings_does_not_leave_the_selector(
    server: FakeTorchServe, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvicorn would stop reading at 64 KiB, and begin again at once."""
    paused: list[object] = []
    monkeypatch.setattr("uvicorn.protocols.http.flow_control.FlowControl.pause_reading", paused.append)
    async with listening(server, root) as (port, _):
        answer = await talk(
            port, HEAD + b"Content-Length: 200000\r\nConnection: close\r\n\r\n" + bytes(200_000)
        )
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert not paused


async def test_refusal_arrives_although_the_body_is_still_sent(server: FakeTorchServe, root: Path) -> None:
    async with listening(server, root) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + b"Content-Length: 90000000\r\n\r\n")
        for _ in range(40):
            writer.write(bytes(1 << 20))
            await writer.drain()
        got = await asyncio.wait_for(reader.readuntil(b"}"), 30)
        assert got.startswith(b"HTTP/1.1 413 ")
        assert b"payload-too-large" in got
        writer.close()


async def test_who_leaves_during_the_upload_leaves_nothing_behind(server: FakeTorchServe, root: Path) -> None:
    async with listening(server, root) as (port, app):
        transfers = app.state.edge.transfers
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + b"Content-Length: 99\r\n\r\nx")
        await until(lambda: transfers.uploads.total == 1)
        writer.close()
        await until(lambda: transfers.uploads.total == 0)
        await until(lambda: not list(root.iterdir()))
        labels = {"route": "/v1/restore", "method": "POST", "status": "499"}
        registry = app.state.edge.metrics.registry
        await until(
            lambda: registry.get_sample_value("photorestore_gateway_http_requests_total", labels) == 1
        )
