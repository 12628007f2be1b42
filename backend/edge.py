"""The REST edge as a process of the supervisor."""

from __future__ import annotations

import os
import sys

import requests

from backend.child import Child
from backend.settings import HOME, HOST, Settings
from backend.torchserve import STOP_S

NAME = "edge"
"""Name of its note; see `backend.child`."""
ASK_S = 5.0
JOBS_VARIABLE = "PHOTORESTORE_GATEWAY_JOBS_DIR"
"""Variable for the edge's folder of jobs; if it is not set, jobs lie in the run directory."""


class Edge:
    """A running REST edge in front of one TorchServe.

    Args:
        settings: of the instance, with a `gateway_port`.
        drain_s: seconds that requests in flight are waited for at the end.
        found: one that an earlier supervisor has started; by default another one is started.
    """

    def __init__(self, settings: Settings, drain_s: float, found: Child | None = None) -> None:
        self._drain_s = drain_s
        self._child = found or Child.start(
            settings,
            NAME,
            [sys.executable, "-m", "gateway", "serve", *options(settings, drain_s)],
            cwd=HOME,
            environment={JOBS_VARIABLE: str(settings.run_dir / "jobs"), **os.environ},
            log=settings.run_dir / "gateway.log",
        )

    @property
    def exit_status(self) -> int | None:
        """Return the exit status, or None while it runs; see `supervised.Process`."""
        return self._child.exit_status

    def stop(self) -> None:
        """End the process once it has answered the requests in flight; kill it if that takes too long."""
        self._child.end(self._drain_s + STOP_S)


def options(settings: Settings, drain_s: float) -> list[str]:
    """Return the edge's command-line options."""
    return [
        *("--port", str(settings.gateway_port)),
        *("--home", str(settings.home)),
        *("--workspace-root", str(settings.workspace_root)),
        *("--inference-url", settings.inference_url),
        *("--management-url", settings.management.url),
        *("--metrics-url", settings.metrics_url),
        *("--drain-s", str(drain_s)),
        *("--restarts-file", str(settings.restarts_file)),
    ]


def is_ready(settings: Settings) -> bool:
    """Return whether the edge reports ready."""
    try:
        return requests.get(f"http://{HOST}:{settings.gateway_port}/readyz", timeout=ASK_S).ok
    except requests.RequestException:
        return False
