"""Keys, settings, readiness, the result cache, and the end of the REST edge."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gateway.__main__ import main
from gateway.http.keys import Keys, key_line, make_key
from gateway.restore import release
from gateway.restore.cache import ResultCache
from gateway.restore.coalescing import InFlight
from gateway.restore.content import PIECE_BYTES, piece
from gateway.restore.results import Result
from gateway.settings import HOME, GatewaySettings, parse
from photorestore.options import STAGES
from photorestore.serving.handler import StageHandler
from tests.edge import (
    ENVIRONMENT,
    FakeTorchServe,
    free_port,
    listening,
    make_picture,
    metric,
    problem,
    running_edge,
    serving,
    until,
)
from tests.handed_on import REPORT

pytestmark = pytest.mark.anyio


async def test_keys_are_asked_for_where_there_are_some(
    server: FakeTorchServe, root: Path, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    first, second = make_key(), make_key()
    file.write_text(f"# of the album\n{key_line('album', first)}\n\n")
    async with running_edge(server, root, keys_file=file) as edge:

        async def ask(**headers: str) -> httpx.Response:
            return await edge.post("/v1/restore?stages=", content=make_picture(), headers=headers)

        for headers in ({}, {"Authorization": f"Bearer {second}"}, {"Authorization": f"Basic {first}"}):
            refused = await ask(**headers)
            assert problem(refused) == (401, "unauthorized")
            assert refused.headers["www-authenticate"] == "Bearer"
        assert server.inferences == []
        assert (await ask(Authorization=f"Bearer {first}")).status_code == 200
        file.write_text(key_line("next", second))  # rotated
        assert (await ask(Authorization=f"Bearer {second}")).status_code == 200
        assert (await ask(Authorization=f"Bearer {first}")).status_code == 401
        file.write_text("broken")  # the keys read before stay
        assert (await ask(Authorization=f"Bearer {second}")).status_code == 200
        assert (await edge.get("/v1/stages")).status_code == 401
        assert (await edge.get("/readyz")).status_code == 200


async def test_keys_that_are_not_those_of_the_file_are_told(
    server: FakeTorchServe, root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, key = tmp_path / "keys", make_key()
    line = key_line("album", key)
    file.write_text(line)
    async with running_edge(server, root, keys_file=file) as edge:

        async def look() -> tuple[int, list[str]]:
            asked = await edge.get("/v1/stages", headers={"Authorization": f"Bearer {key}"})
            ready = await edge.get("/readyz")
            assert ready.status_code == 200
            return asked.status_code, ready.json()["warnings"]

        assert await look() == (200, [])
        file.unlink()
        stale = "the file of API keys cannot be read anew; those read before stay valid"
        assert await look() == (200, [stale])
        file.write_text(f"{line}\nbroken")
        assert await look() == (200, [stale])
        file.write_text("")
        assert await look() == (401, ["the file of API keys holds none: nobody is let in"])
        file.write_text(line)
        assert await look() == (200, [])
    told = [record.getMessage() for record in caplog.records if record.name == "gateway.http.keys"]
    assert [message.partition(":")[0] for message in told] == [
        stale,
        "the file of API keys holds none",
        "the API keys are read again",
    ]


def test_two_keys_of_one_name_are_valid_at_a_time(tmp_path: Path) -> None:
    old, new = make_key(), make_key()
    (tmp_path / "keys").write_text(f"{key_line('album', old)}\n{key_line('album', new)}\n")
    keys = Keys(tmp_path / "keys")
    assert keys.name_of(old) == keys.name_of(new) == "album"


def test_keys_lie_hashed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "album"]) == 0
    key, line = re.findall(r": +(.*)", capsys.readouterr().out)
    assert key not in line
    (tmp_path / "keys").write_text(line)
    assert Keys(tmp_path / "keys").name_of(key) == "album"
    assert Keys(tmp_path / "keys").name_of(key[:-1]) is None


@pytest.mark.parametrize("text", ["", "# nothing", "album secret", "album " + "0" * 63])
def test_a_file_without_keys_stops_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(ValueError, match="keys"):
        Keys(tmp_path / "keys")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_beyond_loopback_keys_are_required_unless_told_otherwise(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--host", host]) == 2
    assert "not loopback" in capsys.readouterr().err
    assert GatewaySettings(host=host, no_keys=True).keys_file is None
    assert GatewaySettings(host=host, keys_file=Path("keys")).host == host


def test_settings_come_from_the_command_line_above_the_environment() -> None:
    environment = {
        "PHOTORESTORE_GATEWAY_MAX_REQUESTS": "3",
        "PHOTORESTORE_GATEWAY_PORT": "9",
        "PHOTORESTORE_GATEWAY_NO_KEYS": "true",
        "PHOTORESTORE_WORKSPACE": "/spaces",
    }
    settings = parse(["--port", "8123", "--cache-dir", "/kept"], environment)
    assert (settings.max_requests, settings.port, settings.no_keys) == (3, 8123, True)
    assert (settings.workspace_root, settings.cache_dir) == (Path("/spaces"), Path("/kept"))
    with pytest.raises(ValueError, match=r"PHOTORESTORE_GATEWAY_MAX_REQUEST$"):
        parse([], {"PHOTORESTORE_GATEWAY_MAX_REQUEST": "3"})


async def test_ready_when_a_canary_came_back(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root, is_ready=False) as edge:
        assert (await edge.get("/readyz")).status_code == 503
        await until(lambda: not edge.app.state.edge.readiness.problem)
        document = (await edge.get("/readyz")).json()
        assert document["ready"] is True
        assert set(document["stages"]) == set(STAGES)
        assert [envelope["request_id"] for envelope in server.inferences] == ["canary"]


async def test_readiness_follows_torchserve(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root) as edge:

        async def problem_now() -> str:
            await edge.app.state.edge.readiness.look()
            return (await edge.get("/readyz")).json()["problem"]

        server.ready_workers = 0
        assert "no worker is ready for preprocess" in await problem_now()
        server.ready_workers = 1
        assert await problem_now() == ""
        server.is_up = False
        assert "does not answer" in await problem_now()
        assert (await edge.get("/livez")).status_code == 200
        server.is_up = True
        assert await problem_now() == ""


async def test_another_workspace_root_is_found_out(
    server: FakeTorchServe, root: Path, handlers: dict[str, StageHandler], tmp_path: Path
) -> None:
    for handler in handlers.values():
        handler.root = tmp_path / "elsewhere"
    async with running_edge(server, root, is_ready=False) as edge:
        await edge.app.state.edge.readiness.look()
        answer = await edge.get("/readyz")
        assert answer.status_code == 503
        assert str(root) in answer.json()["problem"]


async def test_missing_workflow_is_registered_again(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root) as edge:
        server.is_registered = False
        await until(lambda: edge.app.state.edge.readiness.problem)
        assert problem(await edge.post("/v1/restore", content=make_picture())) == (503, "backend-unavailable")
        await until(lambda: not edge.app.state.edge.readiness.problem)
    assert server.registrations == 1


async def test_workflow_is_looked_for_by_the_name_that_the_edge_is_told(
    server: FakeTorchServe, root: Path
) -> None:
    server.workflow = "restore_next"
    server.is_registered = False
    async with running_edge(server, root, workflow="restore_next") as edge:
        assert (await edge.post("/v1/restore?stages=", content=make_picture())).status_code == 200
    assert server.registrations == 1


async def test_metrics_of_torchserve_are_handed_on(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root) as edge:
        answer = await edge.get("/metrics/torchserve")
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/plain")
        assert "ts_queue_latency_microseconds" in answer.text
        server.is_up = False
        assert problem(await edge.get("/metrics/torchserve")) == (503, "backend-unavailable")


async def test_drain_says_not_ready_but_answers(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root) as edge:
        edge.app.state.edge.readiness.drain()
        assert (await edge.get("/readyz")).status_code == 503
        assert (await edge.post("/v1/restore?stages=", content=make_picture())).status_code == 200
        assert metric(edge, "ready") == 0


async def test_shutdown_waits_for_runs_whose_callers_left(server: FakeTorchServe, root: Path) -> None:
    async with running_edge(server, root) as edge:
        server.is_open.clear()
        answer = await edge.post("/v1/restore?stages=&timeout=1", content=make_picture())
        assert problem(answer) == (504, "deadline-exceeded")
        assert metric(edge, "in_flight_requests") == 1  # TorchServe is still at it
        server.is_open.set()
    assert list(root.iterdir()) == []


async def test_a_run_is_found_only_while_it_is_in_flight() -> None:
    runs: InFlight[int] = InFlight()
    gate = asyncio.Event()

    async def run() -> int:
        await gate.wait()
        return 3

    started = runs.start("key", run())
    assert runs.find("key") is started
    assert runs.find("other") is None
    gate.set()
    assert await started == 3
    assert runs.find("key") is None


async def test_runs_that_take_too_long_are_cancelled_at_the_end() -> None:
    runs: InFlight[None] = InFlight()
    task = runs.start("key", asyncio.sleep(60))
    await runs.drain(0.01)
    assert task.cancelled()


def test_cache_forgets_what_was_not_used_for_longest(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path, 3500)
    for number, key in enumerate("abc"):
        cache.put(key, Result(bytes(1000), "image/png", replace(REPORT, request_id=key), b"mask"))
        os.utime(tmp_path / f"{key}.result", (number, number))
        if key == "b":
            assert cache.get("a") is not None  # used again
    assert cache.get("b") is None
    kept = cache.get("a")
    assert kept is not None
    assert (len(kept.picture), kept.mask, kept.report) == (1000, b"mask", replace(REPORT, request_id="a"))


def test_a_long_result_stays_in_its_file(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path, 1 << 30)
    picture, mask = os.urandom(3 * PIECE_BYTES + 5), os.urandom(PIECE_BYTES + 1)
    opened = len(list(Path("/proc/self/fd").iterdir()))
    cache.put("a", Result(picture, "image/png", REPORT, mask))
    kept = cache.get("a")
    assert kept is not None
    assert not isinstance(kept.picture, bytes)
    cache.put("b", kept)
    (tmp_path / "a.result").unlink()  # whoever reads it may go on
    again = cache.get("b")
    assert again is not None
    for result in (kept, again):
        for content, expected in ((result.picture, picture), (result.mask, mask)):
            assert content is not None
            starts = range(0, len(content), PIECE_BYTES)
            assert b"".join(piece(content, start) for start in starts) == expected
    del kept, again, result, content
    assert len(list(Path("/proc/self/fd").iterdir())) == opened


def test_cache_takes_no_broken_file(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path, 10_000)
    cache.put("a", Result(b"picture", "image/png", REPORT))
    whole = (tmp_path / "a.result").read_bytes()
    for broken in (whole[:-1], b"", b"{}\n", b"[]\n", b"\xff"):
        (tmp_path / "a.result").write_bytes(broken)
        assert cache.get("a") is None
        assert not (tmp_path / "a.result").exists()


def test_fingerprint_is_of_the_archives(tmp_path: Path) -> None:
    store = tmp_path / "model_store"
    store.mkdir()
    assert release.fingerprint(tmp_path) != release.fingerprint(tmp_path)  # nothing is known: never the same
    (store / "denoise.mar").write_bytes(b"one")
    first = release.fingerprint(tmp_path)
    assert release.fingerprint(tmp_path) == first
    (store / "denoise.mar").write_bytes(b"two")
    assert release.fingerprint(tmp_path) != first


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
    monkeypatch.setattr("gateway.http.connection.KEEP_ALIVE_S", 4)
    async with listening(server, root) as (port, _):
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


async def readyz_says(client: httpx.AsyncClient, expected: int | None) -> None:
    """Poll until the status is so; None = nobody listens."""
    status: int | None = 0
    async with asyncio.timeout(60):
        while status != expected:
            await asyncio.sleep(0.02)
            try:
                status = (await client.get("/readyz")).status_code
            except httpx.TransportError:
                status = None


async def test_sigterm_answers_what_is_in_flight(server: FakeTorchServe, root: Path) -> None:
    """The whole program in its own process, before a stand-in that listens on a port."""
    own_port = free_port()
    async with serving(server) as url:
        command = [
            sys.executable,
            "-m",
            "gateway",
            "serve",
            "--port",
            str(own_port),
            "--workspace-root",
            str(root),
        ]
        command += [
            "--inference-url",
            url,
            "--management-url",
            url,
            "--poll-s",
            "0.1",
            "--drain-delay-s",
            "1",
        ]
        process = await asyncio.create_subprocess_exec(*command, cwd=HOME, env=ENVIRONMENT)
        try:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{own_port}", timeout=60, trust_env=False
            ) as client:
                await readyz_says(client, 200)
                server.is_open.clear()
                asked = asyncio.create_task(client.post("/v1/restore?stages=", content=make_picture()))
                await until(lambda: len(server.inferences) == 2)  # the canary was the first
                process.send_signal(signal.SIGTERM)
                await readyz_says(client, 503)
                await readyz_says(client, None)
                assert not asked.done()
                server.is_open.set()
                assert (await asked).status_code == 200
            assert await asyncio.wait_for(process.wait(), 30) == 0
        finally:
            if process.returncode is None:
                process.kill()
    assert list(root.iterdir()) == []
