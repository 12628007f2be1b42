"""The HTTP server: uvicorn, with an end that is announced, and without patience for heads that do not come or end."""

from __future__ import annotations

import asyncio
import sys
import time
from types import FrameType

import httptools
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http import httptools_impl

from gateway.routes import Gateway

CONNECTIONS = 2048
"""Open at a time; further ones are answered 503 at once."""
HEAD_BYTES = 64 << 10
"""How long a request's head may be."""
READ_BYTES = 256 << 10
"""What the event loop reads at a time."""
HEAD_S = 10.0
"""How long a request's head may take; and how long a body is read on after a refusal."""
KEEP_ALIVE_S = 75
"""How long a connection is kept for the caller's next request: longer than load balancers commonly keep theirs (60 s),
for a picture that is sent while the connection is closed is lost."""
KEEP_ALIVE_IN_A_CROWD_S = 5
"""As long where more than half of the connections are taken: idle ones must not keep others out."""

# Above its own 64 KiB uvicorn would take every connection that brings a picture out of the selector, and put it back.
httptools_impl.HIGH_WATER_LIMIT = READ_BYTES  # type: ignore[attr-defined]


class Protocol(httptools_impl.HttpToolsProtocol):
    """One connection, closed when a request's head is not there in time, or when it is too long."""

    _timer: asyncio.TimerHandle | None = None
    _silent_bytes = 0
    """What came since the parser last had something to say: a part of a head, or of what stands behind a body."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by asyncio."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._data = data
        self._silent_bytes += len(data)
        super().data_received(data)
        if self._silent_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._refuse()
        self._watch()

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._silent_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._silent_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._silent_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Called by uvicorn, which then waits for the next request."""
        is_crowded = len(self.connections) > CONNECTIONS // 2
        self.timeout_keep_alive = KEEP_ALIVE_IN_A_CROWD_S if is_crowded else KEEP_ALIVE_S
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        super().connection_lost(exc)
        self._stop_watch()

    def _should_upgrade(self) -> bool:
        """Whether another protocol is offered, which makes the parser leave the body out."""
        return any(name == b"upgrade" for name, _ in self.headers)

    def handle_websocket_upgrade(self) -> None:
        """Called where another protocol is offered: pass it over, and read the request again without the offer.

        Java's client offers HTTP/2 with each request, pictures among them.
        """
        offer = sys.exc_info()[1]
        behind_head = self._data[offer.args[0] :] if isinstance(offer, httptools.HttpParserUpgrade) else b""
        version = self.parser.get_http_version().encode()
        line = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)
        lines = [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._data = b"\r\n".join([line, *lines, b"", behind_head])
        super().data_received(self._data)

    def _refuse(self) -> None:
        """The parser sets no limit: it would collect a head that does not end."""
        if self.cycle is None or self.cycle.response_complete:
            self.send_400_response(f"The head of a request may have {HEAD_BYTES} bytes.")
        else:
            self.transport.close()

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
            proxy_headers=False,  # neither the caller's address nor the scheme is asked for
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
