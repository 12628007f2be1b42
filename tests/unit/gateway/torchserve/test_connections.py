"""Kept connections to TorchServe."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from gateway.torchserve import connections
from gateway.torchserve.connections import Connections
from tests.edge import free_port, until

pytestmark = pytest.mark.anyio

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
UNTIL_THE_END = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"


@dataclass
class Peer:
    """A server that answers each request with what it is told, and then does what it is told.

    Attributes:
        accepted: connections so far.
        is_open: of each connection, whether we have not closed it.
    """

    answers: Sequence[bytes] = (ANSWER,)
    then: Callable[[asyncio.StreamWriter], object] = lambda _: None
    requests: list[bytes] = field(default_factory=list)
    is_open: list[bool] = field(default_factory=list)
    url: str = ""

    @property
    def accepted(self) -> int:
        return len(self.is_open)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self.accepted
        self.is_open.append(True)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\nbody"))
                for part in self.answers:
                    writer.write(part)
                    await asyncio.sleep(0)
                self.then(writer)
        self.is_open[number] = False
        writer.close()


@contextlib.asynccontextmanager
async def running(peer: Peer) -> AsyncIterator[httpx.AsyncClient]:
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/path?query"
    async with httpx.AsyncClient(transport=Connections(), timeout=20) as client:
        yield client
    server.close()
    await until(lambda: not any(peer.is_open))


async def ask(client: httpx.AsyncClient, peer: Peer) -> httpx.Response:
    return await client.post(peer.url, content=b"body")


@pytest.mark.parametrize(
    "answers",
    [
        [ANSWER],
        [CHUNKED],
        [ANSWER[:20], ANSWER[20:-2], ANSWER[-2:]],
        [b"HTTP/1.1 102 Processing\r\n\r\n", ANSWER],
    ],
)
async def test_a_connection_is_kept_for_the_next_request(answers: list[bytes]) -> None:
    peer = Peer(answers)
    async with running(peer) as client:
        for _ in range(3):
            answer = await ask(client, peer)
            assert (answer.status_code, answer.content) == (200, b"hello")
        assert peer.accepted == 1
        assert peer.requests[0].startswith(b"POST /path?query HTTP/1.1\r\n")


async def test_requests_at_once_have_a_connection_each() -> None:
    peer = Peer()
    async with running(peer) as client:
        for _ in range(2):
            await asyncio.gather(*(ask(client, peer) for _ in range(4)))
        assert peer.accepted == 4


@pytest.mark.parametrize(
    ("answers", "then"),
    [
        ([ANSWER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")], lambda _: None),
        ([ANSWER], asyncio.StreamWriter.close),
    ],
)
async def test_a_connection_that_is_closed_is_not_used_again(
    answers: list[bytes], then: Callable[..., Any]
) -> None:
    peer = Peer(answers, then)
    async with running(peer) as client:
        for accepted in (1, 2):
            assert (await ask(client, peer)).content == b"hello"
            await until(lambda: not any(peer.is_open))
            assert peer.accepted == accepted


async def test_what_nobody_asked_for_is_not_taken_for_an_answer() -> None:
    peer = Peer(then=lambda writer: asyncio.get_running_loop().call_later(0.01, writer.write, ANSWER))
    async with running(peer) as client:
        await ask(client, peer)
        await asyncio.sleep(0.1)
        assert (await ask(client, peer)).content == b"hello"
        assert peer.accepted == 2


async def test_connections_that_lay_idle_for_long_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_S", -1.0)
    peer = Peer()
    async with running(peer) as client:
        await asyncio.gather(*(ask(client, peer) for _ in range(3)))
        await ask(client, peer)
        assert peer.accepted == 4
        await until(lambda: sum(peer.is_open) == 1)


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [ANSWER[:20]],
        [ANSWER[:-1]],
        [UNTIL_THE_END],  # it cannot be told from one that breaks off
        [b"220 smtp.example ESMTP\r\n"],
        [b"HTTP/1.1 101 Hm\r\n\r\n"],
    ],
)
async def test_half_an_answer_and_nonsense_are_transport_errors(answers: list[bytes]) -> None:
    peer = Peer(answers, asyncio.StreamWriter.close)
    async with running(peer) as client:
        with pytest.raises(httpx.TransportError):
            await ask(client, peer)


async def test_a_connection_that_breaks_off_is_a_transport_error() -> None:
    peer = Peer([ANSWER[:-1]], lambda writer: writer.transport.abort())
    async with running(peer) as client:
        with pytest.raises(httpx.TransportError):
            await ask(client, peer)


async def test_an_answer_that_does_not_come_in_time_ends_its_connection() -> None:
    peer = Peer([ANSWER[:-1]])
    async with running(peer) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(peer.url, content=b"body", timeout=0.05)
        await until(lambda: peer.is_open == [False])


async def test_who_waits_no_longer_ends_the_connection() -> None:
    peer = Peer([])
    async with running(peer) as client:
        asking = asyncio.create_task(ask(client, peer))
        await until(lambda: peer.requests)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until(lambda: peer.is_open == [False])


async def test_where_nobody_listens_there_is_a_connect_error() -> None:
    async with httpx.AsyncClient(transport=Connections()) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{free_port()}/")


async def test_only_plain_http_is_spoken() -> None:
    async with httpx.AsyncClient(transport=Connections()) as client:
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.get("https://127.0.0.1/")


async def test_a_second_answer_at_once_is_not_kept_for_the_next_request() -> None:
    peer = Peer([ANSWER + ANSWER.replace(b"hello", b"other")])
    async with running(peer) as client:
        for accepted in (1, 2):
            assert (await ask(client, peer)).content == b"hello"
            assert peer.accepted == accepted
