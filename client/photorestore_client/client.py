"""The clients of the REST edge: one that blocks and one that is awaited, of the same calls."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from photorestore_client.calls import Calls
from photorestore_client.closing import Closing
from photorestore_client.connections import Asynchronous, Blocking
from photorestore_client.retry import Retry
from photorestore_client.steps import Steps
from photorestore_client.tries import Timeouts, Tries

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(call: Callable[Concatenate[Calls, P], Steps[T]]) -> Callable[Concatenate[Client, P], T]:
    """Return a method that runs a call."""

    @functools.wraps(call)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._connections.run(call(self._calls, *args, **kwargs))

    return _returning(method, call)


def _awaited(
    call: Callable[Concatenate[Calls, P], Steps[T]],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    """Return a method that runs a call when it is awaited."""

    @functools.wraps(call)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._connections.run(call(self._calls, *args, **kwargs))

    return _returning(method, call)


M = TypeVar("M", bound=Callable[..., object])


def _returning(method: M, call: Callable[..., object]) -> M:
    """Let `help` show what a method returns, in place of the steps that lead to it."""
    result = str(call.__annotations__["return"]).removeprefix("Steps[").removesuffix("]")
    method.__annotations__ = {**call.__annotations__, "return": result}
    vars(method)["__signature__"] = inspect.signature(call).replace(return_annotation=result)
    return method


class Client(Closing):
    """A client of one service. It can be shared by any number of threads, which share its connections.

    Args:
        base_url: where the service listens; may have a path.
        api_key: sent as a bearer token, if the service requires one.
        timeouts: limits for connecting, for reading, and for a call with all its tries.
        retry: when a request is sent again. That is safe for all requests: a restoration changes nothing in the
            service, and a submitted job has an idempotency key.
        connections: how many connections are kept open.

    Raises:
        ValueError: an argument is out of range, or `base_url` is no URL of HTTP.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        timeouts: Timeouts | None = None,
        retry: Retry | None = None,
        connections: int = 16,
    ) -> None:
        self._calls = Calls(Tries(timeouts or Timeouts(), retry or Retry()))
        self._connections = Blocking(base_url, api_key=api_key, connections=connections)

    restore = _blocking(Calls.restore)
    check = _blocking(Calls.check)
    bundle = _blocking(Calls.bundle)
    analyze = _blocking(Calls.analyze)
    stages = _blocking(Calls.stages)
    submit = _blocking(Calls.submit)
    submit_from = _blocking(Calls.submit_from)
    submit_all = _blocking(Calls.submit_all)
    job = _blocking(Calls.job)
    wait = _blocking(Calls.wait)
    follow = _blocking(Calls.follow)
    result = _blocking(Calls.result)
    cancel = _blocking(Calls.cancel)
    metrics = _blocking(Calls.metrics)

    def close(self) -> None:
        """Close all connections; calls of other threads that wait for their next try raise their last error."""
        self._connections.close()


class AsyncClient:
    """A client of one service for asyncio and trio, with the methods of `Client`, which are awaited.

    Files by path are read in threads; an open file or stream is read at once, in the event loop.

    Args, Raises: as `Client`.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        timeouts: Timeouts | None = None,
        retry: Retry | None = None,
        connections: int = 16,
    ) -> None:
        self._calls = Calls(Tries(timeouts or Timeouts(), retry or Retry()))
        self._connections = Asynchronous(base_url, api_key=api_key, connections=connections)

    restore = _awaited(Calls.restore)
    check = _awaited(Calls.check)
    bundle = _awaited(Calls.bundle)
    analyze = _awaited(Calls.analyze)
    stages = _awaited(Calls.stages)
    submit = _awaited(Calls.submit)
    submit_from = _awaited(Calls.submit_from)
    submit_all = _awaited(Calls.submit_all)
    job = _awaited(Calls.job)
    wait = _awaited(Calls.wait)
    follow = _awaited(Calls.follow)
    result = _awaited(Calls.result)
    cancel = _awaited(Calls.cancel)
    metrics = _awaited(Calls.metrics)

    async def close(self) -> None:
        """Close all connections; other calls that wait for their next try raise their last error."""
        await self._connections.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
