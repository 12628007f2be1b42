"""Kept connections to TorchServe, as a transport for httpx; ADR 12 says why httpx's own is not used."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque

import httptools
import httpx

IDLE_S = 5.0
"""How long a connection without requests stays in use."""


class Connections(httpx.AsyncBaseTransport):
    """A pool of HTTP/1.1 connections without TLS, of any number; the one used last is used next."""

    def __init__(self) -> None:
        self._idle: defaultdict[tuple[str, int | None], deque[Connection]] = defaultdict(deque)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return its answer, fully read.

        Raises:
            httpx.TransportError: there is no answer.
        """
        url = request.url
        limits_s = request.extensions["timeout"]
        idle = self._idle[url.host, url.port]
        connection = _take(idle) or await _connect(url, limits_s["connect"])
        lines = [b"%s %s HTTP/1.1" % (request.method.encode(), url.raw_path)]
        lines += [b"%s: %s" % header for header in request.headers.raw]
        message = b"\r\n".join([*lines, b"", await request.aread()])
        try:
            async with asyncio.timeout(limits_s["read"]):
                answer = await connection.ask(message)
        except TimeoutError as error:
            raise httpx.ReadTimeout(f"no answer within {limits_s['read']:g} s") from error
        finally:
            connection.settle()
        if connection.is_kept:
            idle.append(connection)
        return answer

    async def aclose(self) -> None:
        """Close all idle connections."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()


class Connection(asyncio.Protocol):
    """One connection, which carries one request at a time.

    Attributes:
        is_kept: whether it can carry another request.
        used: when its last request ended, by the monotonic clock.
    """

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._content: list[bytes] = []
        self._answer: asyncio.Future[httpx.Response] | None = None
        self.is_kept = True
        self.used = 0.0

    async def ask(self, message: bytes) -> httpx.Response:
        """Send a request, and wait for its answer.

        Raises:
            httpx.RemoteProtocolError: the answer is malformed or breaks off.
        """
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        return await self._answer

    def settle(self) -> None:
        """End the request; close the connection if there was no answer."""
        if self._answer is None or not self._answer.done() or self._answer.cancelled():
            self.close()
        self._answer = None
        self.used = time.monotonic()

    def close(self) -> None:
        """Close the connection."""
        self.is_kept = False
        self._transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep the transport; called by asyncio."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Parse received bytes; called by asyncio."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(f"TorchServe's answer is not HTTP: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request in flight, if there is one; called by asyncio."""
        self._fail(f"the answer breaks off: {exc or 'the connection was closed'}")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header; called by the parser."""
        self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        """Collect a part of the body; called by the parser."""
        self._content.append(body)

    def on_message_complete(self) -> None:
        """Hand the answer over; called by the parser."""
        status, headers, content = self._parser.get_status_code(), self._headers, b"".join(self._content)
        self._headers, self._content = [], []
        if status < 200:  # interim: the answer follows
            return
        if not self._parser.should_keep_alive():
            self.close()
        if self._answer is None or self._answer.done():
            self._fail("nobody has asked for this")
        else:
            self._answer.set_result(httpx.Response(status, headers=headers, content=content))

    def _fail(self, reason: str) -> None:
        self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(httpx.RemoteProtocolError(reason))


def _take(idle: deque[Connection]) -> Connection | None:
    """Return the connection that was used last; drop those that are too old or were closed by the other side."""
    oldest = time.monotonic() - IDLE_S
    while idle and idle[0].used < oldest:
        idle.popleft().close()
    while idle:
        connection = idle.pop()
        if connection.is_kept:
            return connection
    return None


async def _connect(url: httpx.URL, limit_s: float | None) -> Connection:
    if url.scheme != "http":
        raise httpx.UnsupportedProtocol(f"TorchServe is asked by http, not {url.scheme}")
    try:
        async with asyncio.timeout(limit_s):
            _, connection = await asyncio.get_running_loop().create_connection(
                Connection, url.host, url.port or 80
            )
    except TimeoutError as error:
        raise httpx.ConnectTimeout(f"no connection to {url.netloc!r} within {limit_s} s") from error
    except OSError as error:
        raise httpx.ConnectError(str(error)) from error
    return connection
