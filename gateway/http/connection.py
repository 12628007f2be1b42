"""A caller's connection: uvicorn's, with limits for slow or endless request heads and for slow readers of answers."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import httptools
from uvicorn.protocols.http import httptools_impl

from gateway.http.middleware import IN_A_CROWD
from gateway.http.pace import Pace

logger = logging.getLogger(__name__)

SPARE = 256
"""Idle connections allowed beyond the busy ones. Beyond that, a new one closes the one that has been idle longest."""
UNREAD_BYTES = 48 << 20
"""Limit of unsent answer bytes in memory. Beyond it, the connection that has not read for longest is closed."""
HEAD_BYTES = 64 << 10
"""Longest head of a request."""
READ_BYTES = 256 << 10
"""Most bytes that the event loop reads at a time."""
HEAD_S = 10.0
"""Time limit for a request's head, and for reading on the rest of a body after a refusal."""
KEEP_ALIVE_IN_A_CROWD_S = 5
"""How long an idle connection is kept at most while more than half of the connections are taken, so that idle ones do
not keep new callers out."""

# uvicorn pauses reading above 64 KiB, so each upload would make it remove the connection from the selector and add it
# again at once.
httptools_impl.HIGH_WATER_LIMIT = READ_BYTES  # type: ignore[attr-defined]


@dataclass(slots=True)
class Crowd:
    """State that all connections of one server share.

    Attributes:
        limit: connections that may be busy.
        keep_alive_s: how long an idle connection is kept.
        pace: how slowly callers may read each part of an answer that does not fit into the system's buffers.
        waiting: connections that wait for a request or the rest of its head, oldest first.
        unread: bytes that callers have yet to read, by connection, oldest first.
        unread_bytes: their sum.
    """

    limit: int
    keep_alive_s: int
    pace: Pace
    waiting: OrderedDict[Protocol, None] = field(default_factory=OrderedDict)
    unread: OrderedDict[Protocol, int] = field(default_factory=OrderedDict)
    unread_bytes: int = 0


class Protocol(httptools_impl.HttpToolsProtocol):
    """One connection.

    It is closed when a request's head is late or too long, when the caller does not read answers, and, while idle,
    when a new connection needs its room.
    """

    _timer: asyncio.TimerHandle | None = None
    _patience: asyncio.TimerHandle | None = None
    _silent_bytes = 0
    """Bytes received since the parser's last event: a part of a head, or of chunked framing."""

    def __init__(self, *arguments: Any, crowd: Crowd, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._crowd = crowd

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Register the connection; called by asyncio."""
        super().connection_made(transport)
        # Each part of an answer waits until the one before it is read.
        transport.set_write_buffer_limits(high=0)
        self._crowd.waiting[self] = None
        if len(self.connections) > self._crowd.limit + SPARE:
            self._crowd.waiting.popitem(last=False)[0].transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take received bytes; called by asyncio."""
        self._data = data
        self._silent_bytes += len(data)
        super().data_received(data)
        if self._silent_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._refuse()
        self._watch()

    def on_headers_complete(self) -> None:
        """Begin a request, and mark it if too many connections are busy; called by the parser."""
        self._silent_bytes = 0
        self._crowd.waiting.pop(self, None)
        if len(self.connections) - len(self._crowd.waiting) > self._crowd.limit:
            self.scope.setdefault("state", {})[IN_A_CROWD] = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take bytes of the body; called by the parser."""
        self._silent_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request; called by the parser."""
        self._silent_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request; called by uvicorn."""
        is_crowded = len(self.connections) > self._crowd.limit // 2
        keep_alive_s = self._crowd.keep_alive_s
        self.timeout_keep_alive = min(keep_alive_s, KEEP_ALIVE_IN_A_CROWD_S) if is_crowded else keep_alive_s
        super().on_response_complete()
        if self.cycle.response_complete:
            self._crowd.waiting[self] = None

    def pause_writing(self) -> None:
        """Limit the time that the caller has to read; called by asyncio when the system's buffers are full."""
        super().pause_writing()
        crowd, size = self._crowd, self.transport.get_write_buffer_size()
        seconds = crowd.pace.grace_s + size / crowd.pace.bytes_s
        self._patience = self.loop.call_later(seconds, self._give_up)
        crowd.unread[self] = size
        crowd.unread_bytes += size
        if crowd.unread_bytes > UNREAD_BYTES:
            next(iter(crowd.unread))._give_up()  # noqa: SLF001 - of the same class

    def resume_writing(self) -> None:
        """Lift that limit; called by asyncio when the system has taken everything."""
        super().resume_writing()
        self._stop_patience()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; called by asyncio."""
        super().connection_lost(exc)
        self._crowd.waiting.pop(self, None)
        self._stop_watch()
        self._stop_patience()

    def _should_upgrade(self) -> bool:
        """Return whether another protocol is offered, in which case the parser leaves the body out."""
        return any(name == b"upgrade" for name, _ in self.headers)

    def handle_websocket_upgrade(self) -> None:
        """Ignore the offer of another protocol: parse the request again without it.

        Java's client offers HTTP/2 with each request, uploads included.
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
        """Refuse an endless head, which the parser would collect without limit."""
        if self.cycle is None or self.cycle.response_complete:
            self.send_400_response(f"The head of a request may have {HEAD_BYTES} bytes.")
        else:
            self.transport.close()

    def _give_up(self) -> None:
        logger.info("an answer is not read: the connection is closed")
        self._stop_patience()
        self.transport.abort()

    def _stop_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
            self._crowd.unread_bytes -= self._crowd.unread.pop(self)

    def _watch(self) -> None:
        """Start the time limit for the next head, unless it runs already or a request is being answered."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_watch()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_S, self.transport.close)

    def _stop_watch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
