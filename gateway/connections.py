"""Connections to TorchServe that are kept, as a transport of httpx. ADR 12 says why it is not httpx's own."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque

import h11
import httpx

IDLE_S = 5.0
"""After this time without a request a connection is not used again."""

Origin = tuple[str, str, int | None]


class Connections(httpx.AsyncBaseTransport):
    """Any number of connections by scheme, host and port; the one that was used last is used first."""

    def __init__(self) -> None:
        self._idle: defaultdict[Origin, deque[_Connection]] = defaultdict(deque)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The whole answer; of a request's time-outs, `read` is for all of it.

        Raises:
            httpx.TransportError: there is none.
        """
        url, timeout = request.url, request.extensions["timeout"]
        origin = (url.scheme, url.host, url.port)
        connection = self._take_idle(origin) or await _connect(origin, timeout["connect"])
        try:
            async with asyncio.timeout(timeout["read"]):
                answer = await connection.ask(request)
        except TimeoutError as error:
            raise httpx.ReadTimeout(f"no answer in {timeout['read']:g} s") from error
        finally:
            if connection.is_idle:
                self._idle[origin].append(connection)
            else:
                connection.close()
        return answer

    async def aclose(self) -> None:
        """Close what carries no request."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    def _take_idle(self, origin: Origin) -> _Connection | None:
        idle = self._idle[origin]
        while idle and idle[0].idle_since < time.monotonic() - IDLE_S:
            idle.popleft().close()
        while idle:
            connection = idle.pop()
            if connection.is_idle:
                return connection
        return None


class _Connection(asyncio.Protocol):
    """One connection, for one request at a time.

    Attributes:
        is_idle: whether it may carry the next request.
        idle_since: by the monotonic clock.
    """

    _transport: asyncio.Transport
    _head: h11.Response

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT)
        self._body = bytearray()
        self._answer: asyncio.Future[httpx.Response] | None = None
        self.is_idle = True
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by asyncio."""
        self._transport = transport

    def ask(self, request: httpx.Request) -> asyncio.Future[httpx.Response]:
        """Send a request; gives its answer to come.

        Raises:
            httpx.ReadError: the other side has closed the connection as soon as it was made.
        """
        if not self.is_idle:
            raise httpx.ReadError("the connection was closed at once")
        self.is_idle = False
        self._answer = asyncio.get_running_loop().create_future()
        head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        events = (head, h11.Data(data=request.content), h11.EndOfMessage())
        self._transport.write(b"".join(self._http.send(event) or b"" for event in events))
        return self._answer

    def data_received(self, data: bytes) -> None:
        """Called by asyncio; with nothing at the end of the stream."""
        answer = self._answer
        if answer is None or answer.done():  # nobody asked
            self.close()
            return
        try:
            self._http.receive_data(data)
            while not answer.done() and (event := self._http.next_event()) is not h11.NEED_DATA:
                self._take_in(event, answer)
        except h11.RemoteProtocolError as error:
            self._fail(httpx.RemoteProtocolError(str(error)))

    def eof_received(self) -> None:
        """Called by asyncio, which then closes the connection."""
        self.data_received(b"")

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio."""
        self.is_idle = False
        self._fail(httpx.ReadError(f"the connection is lost: {error}"))

    def close(self) -> None:
        """Carry nothing more."""
        self.is_idle = False
        self._transport.abort()

    def _take_in(self, event: object, answer: asyncio.Future[httpx.Response]) -> None:
        match event:
            case h11.Response():
                self._head = event
            case h11.Data():
                self._body += event.data
            case h11.EndOfMessage():
                headers = self._head.headers.raw_items()
                answer.set_result(
                    httpx.Response(self._head.status_code, headers=headers, content=bytes(self._body))
                )
                self._keep()

    def _keep(self) -> None:
        """Make ready for the next request, where the other side keeps the connection and said no more than asked."""
        is_kept = self._http.our_state is h11.DONE is self._http.their_state
        if is_kept and not self._http.trailing_data[0]:
            self._http.start_next_cycle()
            self._body.clear()
            self.is_idle, self.idle_since = True, time.monotonic()

    def _fail(self, error: httpx.TransportError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


async def _connect(origin: Origin, timeout_s: float | None) -> _Connection:
    scheme, host, port = origin
    is_secure = scheme == "https"
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            _, connection = await loop.create_connection(
                _Connection, host, port or (443 if is_secure else 80), ssl=is_secure or None
            )
    except TimeoutError as error:
        raise httpx.ConnectTimeout(f"{host}:{port} takes no connection in {timeout_s:g} s") from error
    except OSError as error:
        raise httpx.ConnectError(str(error)) from error
    return connection
