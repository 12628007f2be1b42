"""The workflow's stages as TorchServe describes them; what both sides of it know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

WORKFLOW = "restore"
"""The workflow, its archive, and the name that it is registered by unless told otherwise."""
REGISTER_S = 600.0
"""How long a registration may take: it loads every model."""


@dataclass(frozen=True, slots=True)
class Node:
    """One stage as TorchServe sees it.

    Attributes:
        ready: workers that take requests.
        wanted: workers that there should be.
        pending: requests that wait for a worker.
    """

    stage: str
    ready: int
    wanted: int
    pending: int

    @property
    def is_ready(self) -> bool:
        """Whether all its workers take requests."""
        return self.ready >= max(1, self.wanted)


def node_of(stage: str, model: dict[str, Any]) -> Node:
    """A stage by TorchServe's description of its model."""
    ready = sum(worker["status"] == "READY" for worker in model["workers"])
    pending = int(model.get("jobQueueStatus", {}).get("pendingRequests", 0))
    return Node(stage, ready, int(model["maxWorkers"]), pending)
