"""The REST edge.

    python -m gateway serve [--help]     serve HTTP in front of a TorchServe that runs on this machine
    python -m gateway key NAME           print a new API key, and its line for the file of keys

SIGTERM: `/readyz` says no at once, the port closes after `--drain-delay-s`, requests in flight are answered.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence
from types import FrameType

import uvicorn

from gateway.app import create_app
from gateway.keys import key_line, make_key
from gateway.readiness import Readiness
from gateway.settings import GatewaySettings, parse

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
CONNECTIONS = 2048


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; gives the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    match words:
        case ["serve", *options]:
            return _serve(options)
        case ["key", name] if name.split() == [name]:
            key = make_key()
            print(f"key, shown only once:      {key}\nline of the file of keys:  {key_line(name, key)}")
            return 0
    print((__doc__ or "").split("\n\n")[1], file=sys.stderr)
    return 2


def _serve(options: Sequence[str]) -> int:
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every request
    try:
        settings = parse(options, os.environ)
        app = create_app(settings)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=int(settings.drain_s) + 1,
    )
    Server(config, settings, app.state.gateway.readiness).run()
    return 0


class Server(uvicorn.Server):
    """Says that it is not ready before it closes its port."""

    def __init__(self, config: uvicorn.Config, settings: GatewaySettings, readiness: Readiness) -> None:
        super().__init__(config)
        self._delay_s = settings.drain_delay_s
        self._readiness = readiness
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


if __name__ == "__main__":
    sys.exit(main())
