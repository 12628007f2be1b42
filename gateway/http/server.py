"""The HTTP server: uvicorn, which announces its end, with as many connections as the system allows."""

from __future__ import annotations

import functools
import resource
import time
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from gateway.http.connection import Crowd, Protocol
from gateway.http.pace import Pace
from gateway.settings import GatewaySettings

CONNECTIONS = 2048
"""Connections that may be busy at a time; requests on more are answered 503. `connection.SPARE` more may be open."""
FILES = 16384
"""File descriptors asked for: connections, files of uploads and results, connections to TorchServe."""


class Server(uvicorn.Server):
    """A uvicorn server that reports not ready before it closes its port.

    Args:
        app: the application.
        on_stop: called once, at the first signal; from then on the service must report not ready.
    """

    def __init__(self, app: ASGIApp, settings: GatewaySettings, on_stop: Callable[[], None]) -> None:
        pace = Pace(settings.answer_grace_s, settings.answer_bytes_s)
        crowd = Crowd(_connections(), settings.keep_alive_s, pace)
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=functools.partial(Protocol, crowd=crowd),  # type: ignore[arg-type]
            proxy_headers=False,  # gateway.http.proxies reads them
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=int(settings.drain_s) + 1,
        )
        super().__init__(config)
        self._delay_s = settings.drain_delay_s
        self._on_stop = on_stop
        self._close_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain at the first signal; at a second one close the port without delay."""
        if self._close_at is not None:
            super().handle_exit(sig, frame)
            return
        self._on_stop()
        self._close_at = time.monotonic() + self._delay_s

    async def on_tick(self, counter: int) -> bool:
        """Return whether to end the service; called by uvicorn ten times a second."""
        if self._close_at is not None and time.monotonic() >= self._close_at:
            self.should_exit = True
        return await super().on_tick(counter)


def _connections() -> int:
    """Raise the limit of file descriptors; return how many connections may be busy, at four descriptors each."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    return min(CONNECTIONS, wanted // 4)
