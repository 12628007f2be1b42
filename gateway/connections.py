"""Connections to TorchServe that are kept, as a transport of httpx; ADR 12 says why not in httpx's own pool."""

from __future__ import annotations

from collections import defaultdict, deque

import httpcore
import httpx

IDLE_S = 5.0
"""After this time without a request a connection is not used again."""


class Connections(httpx.AsyncBaseTransport):
    """Any number of connections by scheme, host and port; the one that was used last is used first."""

    def __init__(self) -> None:
        self._idle: defaultdict[tuple[bytes, bytes, int | None], deque[httpcore.AsyncHTTPConnection]] = (
            defaultdict(deque)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The whole answer.

        Raises:
            httpx.TransportError: there is none.
        """
        url = request.url
        idle = self._idle[url.raw_scheme, url.raw_host, url.port]
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        connection = await _take(idle) or httpcore.AsyncHTTPConnection(target.origin, keepalive_expiry=IDLE_S)
        asked = httpcore.Request(
            request.method,
            target,
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            answer = await connection.handle_async_request(asked)
            content = await answer.aread()
            await answer.aclose()
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise getattr(httpx, type(error).__name__)(str(error)) from error
        if connection.is_available():
            idle.append(connection)
        return httpx.Response(answer.status, headers=answer.headers, content=content)

    async def aclose(self) -> None:
        """Close what carries no request."""
        for idle in self._idle.values():
            while idle:
                await idle.pop().aclose()


async def _take(idle: deque[httpcore.AsyncHTTPConnection]) -> httpcore.AsyncHTTPConnection | None:
    """The connection that was used last, without those that are too old or were closed by the other side."""
    while idle and idle[0].has_expired():
        await idle.popleft().aclose()
    while idle:
        connection = idle.pop()
        if not connection.has_expired():
            return connection
        await connection.aclose()
    return None
