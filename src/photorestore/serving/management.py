"""Know TorchServe's management interface: its addresses and what its answers mean, without a connection.

The REST edge and what starts TorchServe both use it, each with a client of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

WORKFLOW = "restore"
"""The workflow's archive, and the name under which it is registered by default."""
WHOLE = "whole"
"""The archive that runs all stages in one process, one picture after the other. Work of minutes goes there, which would
keep a stage's only worker from everybody else."""
REGISTER_S = 600.0
"""How long a registration may take: it loads every model."""


@dataclass(frozen=True, slots=True)
class Management:
    """Addresses of one TorchServe's management interface.

    Attributes:
        url: of the interface, without a slash at its end.
        workflow: name under which the workflow is registered.
    """

    url: str
    workflow: str = WORKFLOW

    @property
    def workflow_url(self) -> str:
        """Return where the workflow is described; 404 where it is not registered."""
        return f"{self.url}/workflows/{self.workflow}"

    @property
    def registration_url(self) -> str:
        """Return where a POST registers the workflow; it is answered when all models are loaded."""
        return f"{self.url}/workflows?{urlencode({'url': f'{WORKFLOW}.war', 'workflow_name': self.workflow})}"

    @property
    def models_url(self) -> str:
        """Return where all models are listed; see `has_models_of_workflow`."""
        return f"{self.url}/models"

    def model_url(self, stage: str) -> str:
        """Return where the model of a stage is described; see `Node.of`."""
        return f"{self.models_url}/{self._model_name(stage)}"

    @property
    def whole_model(self) -> str:
        """Return the name under which TorchServe has `WHOLE`."""
        return f"{self.workflow}_{WHOLE}"

    @property
    def whole_url(self) -> str:
        """Return where the model that runs all stages is described; see `Node.of`."""
        return f"{self.models_url}/{self.whole_model}"

    def has_models_of_workflow(self, listed: Mapping[str, Any]) -> bool:
        """Return whether one of the models in the answer of `models_url` belongs to the workflow."""
        names = [str(model.get("modelName")) for model in listed.get("models", [])]
        return any(name.startswith(self._model_name("")) for name in names)

    def _model_name(self, stage: str) -> str:
        return f"{self.workflow}__{stage}"


@dataclass(frozen=True, slots=True)
class Node:
    """One stage as TorchServe sees it.

    Attributes:
        ready: workers that take requests.
        wanted: workers that there should be.
        pending: requests that wait for a worker.
    """

    stage: str
    ready: int = 0
    wanted: int = 1
    pending: int = 0

    @property
    def is_ready(self) -> bool:
        """Return whether all its workers take requests."""
        return self.ready >= max(1, self.wanted)

    @classmethod
    def of(cls, stage: str, described: Sequence[Mapping[str, Any]]) -> Node:
        """Return a stage from the answer of `model_url`, which describes each version of its model."""
        model = described[0]
        ready = sum(worker["status"] == "READY" for worker in model["workers"])
        pending = int(model.get("jobQueueStatus", {}).get("pendingRequests", 0))
        return cls(stage, ready, int(model["maxWorkers"]), pending)
