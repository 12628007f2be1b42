"""The HTTP server: uvicorn, with an end that is announced, and without patience for request heads that do not come."""

from __future__ import annotations

import asyncio
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.routes import Gateway

CONNECTIONS = 2048
"""Open at a time; further ones are answered 503 at once."""
HEAD_S = 10.0
"""How long a request's head may take; and how long a body is read on after a refusal."""


class Protocol(H11Protocol):
    """One connection, closed when a request's head is not there in time."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by asyncio."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        super().connection_lost(exc)
        self._stop_watch()

    def _watch(self) -> None:
        """Give the caller time, once, while no request is being answered."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_watch()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_S, self.transport.close)

    def _stop_watch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Server(uvicorn.Server):
    """Says that it is not ready before it closes its port.

    Args:
        app: made by `create_app`.
    """

    def __init__(self, app: FastAPI) -> None:
        gateway: Gateway = app.state.gateway
        settings = gateway.settings
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=Protocol,
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=int(settings.drain_s) + 1,
        )
        super().__init__(config)
        self._delay_s = settings.drain_delay_s
        self._readiness = gateway.readiness
        self._close_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins to drain, a second one hurries."""
        if self._close_at is not None:
            super().handle_exit(sig, frame)
            return
        self._readiness.drain()
        self._close_at = time.monotonic() + self._delay_s

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; True ends the service."""
        if self._close_at is not None and time.monotonic() >= self._close_at:
            self.should_exit = True
        return await super().on_tick(counter)
