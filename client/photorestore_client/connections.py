"""Connections to one service, which run calls: for callers that block, and for callers that await."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from threading import Event
from typing import Any, TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx

from photorestore_client.errors import TimedOut, Unreachable
from photorestore_client.messages import Answer
from photorestore_client.refusals import PassingError
from photorestore_client.steps import ClosedError, Exchange, Pause, Steps
from photorestore_client.upload import Upload

T = TypeVar("T")

IDLE_S = 60.0
"""How long idle connections are kept: the service closes them later."""


class Blocking:
    """Runs calls in the caller's thread; any number of threads share its connections.

    Args:
        base_url: where the service listens; may have a path.
        api_key: sent as a bearer token.
        connections: how many connections are kept open.

    Raises:
        ValueError: `base_url` is no URL of HTTP.
    """

    def __init__(self, base_url: str, *, api_key: str | None, connections: int) -> None:
        self._http = httpx.Client(**_settings(base_url, api_key, connections))
        self._closed = Event()

    def close(self) -> None:
        """Close all connections; calls that pause end."""
        self._closed.set()
        self._http.close()

    def run(self, call: Steps[T]) -> T:
        """Run a call; return its result, or raise what it raises."""
        try:
            step = next(call)
            while True:
                try:
                    reply = self._do(step)
                except Exception as error:  # noqa: BLE001 - the call decides what it means
                    step = call.throw(error)
                else:
                    step = call.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result

    def _do(self, step: Exchange | Pause) -> Answer | None:
        if isinstance(step, Pause):
            if self._closed.wait(step.seconds):
                raise ClosedError
            return None
        collected = _Collected(step)
        with _translated(step.request_id):
            body = step.request.body
            request = self._http.build_request(content=iter(body) if body else b"", **_parts_of(step))
            response = self._http.send(request, stream=True)
            try:
                for chunk in response.iter_raw():
                    collected.add(chunk)
            finally:
                response.close()
        return collected.answer(response)


class Asynchronous:
    """Runs calls in the caller's event loop, of asyncio or trio.

    Args, Raises: as `Blocking`.
    """

    def __init__(self, base_url: str, *, api_key: str | None, connections: int) -> None:
        self._http = httpx.AsyncClient(**_settings(base_url, api_key, connections))
        self._closed = anyio.Event()

    async def close(self) -> None:
        """Close all connections; calls that pause end."""
        self._closed.set()
        await self._http.aclose()

    async def run(self, call: Steps[T]) -> T:
        """Run a call; return its result, or raise what it raises."""
        try:
            step = next(call)
            while True:
                try:
                    reply = await self._do(step)
                except Exception as error:  # noqa: BLE001 - the call decides what it means
                    step = call.throw(error)
                else:
                    step = call.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _do(self, step: Exchange | Pause) -> Answer | None:
        if isinstance(step, Pause):
            with anyio.move_on_after(step.seconds):
                await self._closed.wait()
                raise ClosedError
            return None
        collected = _Collected(step)
        with _translated(step.request_id):
            body = step.request.body
            request = self._http.build_request(content=_chunks(body) if body else b"", **_parts_of(step))
            response = await self._http.send(request, stream=True)
            try:
                async for chunk in response.aiter_raw():
                    collected.add(chunk)
            finally:
                await response.aclose()
        return collected.answer(response)


class _Collected:
    """The body of an answer as it arrives; a trickle must not outlast the time for the whole."""

    def __init__(self, step: Exchange) -> None:
        self._request_id = step.request_id
        self._deadline = time.monotonic() + step.left_s
        self._content = bytearray()

    def add(self, chunk: bytes) -> None:
        self._content += chunk
        if time.monotonic() > self._deadline:
            raise TimedOut("the answer came too slowly", request_id=self._request_id)

    def answer(self, response: httpx.Response) -> Answer:
        request_id = response.headers.get("X-Request-Id", self._request_id)
        return Answer(response.status_code, response.headers, bytes(self._content), request_id)


# Any: httpx takes arguments of many types by name.
def _settings(base_url: str, api_key: str | None, connections: int) -> dict[str, Any]:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"expected a URL like http://127.0.0.1:8000, not {base_url!r}")
    headers = {
        "Accept-Encoding": "identity",  # pictures do not shrink
        "User-Agent": f"photorestore-client/{version('photorestore-client')}",
    }
    if api_key is not None:
        headers["Authorization"] = f"Bearer {api_key}"
    return {
        "base_url": base_url.rstrip("/"),
        "headers": headers,
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # threads share no state
        "limits": httpx.Limits(
            max_connections=None, max_keepalive_connections=connections, keepalive_expiry=IDLE_S
        ),
        "follow_redirects": False,  # a redirected POST would become a GET
    }


def _parts_of(step: Exchange) -> dict[str, Any]:
    request = step.request
    headers: Mapping[str, str] = {**request.headers, "X-Request-Id": step.request_id}
    if request.body is not None:
        headers = {
            **headers,
            "Content-Type": request.body.content_type,
            "Content-Length": str(len(request.body)),
        }
    connect_s, read_s = min(step.connect_s, step.left_s), min(step.read_s, step.left_s)
    return {
        "method": request.method,
        "url": request.path,
        "params": dict(request.query),
        "headers": headers,
        "timeout": httpx.Timeout(connect=connect_s, write=connect_s, read=read_s, pool=step.left_s),
    }


async def _chunks(body: Upload) -> AsyncIterator[bytes]:
    """Yield a body's bytes; files are read in a thread."""
    chunks = iter(body)
    while (chunk := await anyio.to_thread.run_sync(next, chunks, None)) is not None:
        yield chunk


@contextmanager
def _translated(request_id: str) -> Iterator[None]:
    """Raise what `Exchange` names in place of httpx's errors."""
    try:
        yield
    except httpx.ReadTimeout as error:
        raise TimedOut("the service took too long to answer", request_id=request_id) from error
    except (httpx.LocalProtocolError, httpx.InvalidURL, UnicodeError) as error:
        raise ValueError(f"a header or the URL cannot be sent: {error}") from error
    except httpx.RequestError as error:
        text = str(error) or type(error).__name__
        refused = isinstance(error, httpx.ConnectError)
        raise PassingError(Unreachable(text, request_id=request_id), refused=refused) from error
