"""The parts of the edge that the routes work with."""

from __future__ import annotations

import time
from dataclasses import dataclass

from fastapi import Request

from gateway.http.keys import Keys
from gateway.http.metrics import RequestMetrics
from gateway.jobs.service import Jobs
from gateway.restore.admission import Admission
from gateway.restore.intake import Intake
from gateway.restore.rates import Rates
from gateway.restore.release import Release
from gateway.restore.runner import Runner
from gateway.restore.transfers import Transfers
from gateway.routes.presets import Presets
from gateway.settings import GatewaySettings
from gateway.telemetry.metrics import Metrics
from gateway.torchserve.client import TorchServeClient
from gateway.torchserve.readiness import Readiness


@dataclass(slots=True)
class Edge:
    """The parts of the edge that the routes work with.

    Attributes:
        of_requests: the metrics of requests of all routes.
        rates: None if API keys may ask as often as they like.
        jobs: None if no folder is given for them.
        keys: the valid API keys; None if none is required.
        presets: options that the operator has given a name.
        release: the release that restores at present.
    """

    settings: GatewaySettings
    admission: Admission
    rates: Rates | None
    transfers: Transfers
    metrics: Metrics
    of_requests: RequestMetrics
    readiness: Readiness
    intake: Intake
    runner: Runner
    jobs: Jobs | None
    client: TorchServeClient
    keys: Keys | None
    presets: Presets
    release: Release

    @property
    def drain_left_s(self) -> float:
        """Return the seconds for which requests in flight are still waited for at the end."""
        since = self.readiness.draining_since or time.monotonic()
        return max(since + self.settings.drain_s - time.monotonic(), 0)

    @property
    def warnings(self) -> list[str]:
        """Return what an operator should look at although restorations succeed."""
        found = [
            "" if self.keys is None else self.keys.problem,
            "" if self.jobs is None else self.jobs.sweeper.problem,
        ]
        return [problem for problem in found if problem]

    def renew(self) -> None:
        """Read the release again, because the backend has come up, maybe with other archives."""
        self.release = Release.of(self.settings.home)


def edge_of(request: Request) -> Edge:
    """Return the edge of the application that a request belongs to."""
    found: Edge = request.app.state.edge
    return found
