"""Requests to TorchServe's management interface: whether it is up, its workers, and the workflow's registration."""

from __future__ import annotations

import threading

import requests

from backend.settings import Settings
from photorestore.options import STAGES
from photorestore.serving.management import REGISTER_S, Node

ASK_S = 30.0
PING_S = 5.0


def is_up(settings: Settings) -> bool:
    """Return whether TorchServe is up, which it is long before a workflow is registered."""
    try:
        return requests.get(f"{settings.inference_url}/ping", timeout=PING_S).ok
    except requests.RequestException:
        return False


def register(settings: Settings) -> None:
    """Register the workflow unless it is registered; return when its models have loaded or failed to load.

    Raises:
        RuntimeError: TorchServe refused.
    """
    if requests.get(settings.management.workflow_url, timeout=ASK_S).ok:
        return
    answer = requests.post(settings.management.registration_url, timeout=REGISTER_S)
    if not answer.ok:
        raise RuntimeError(f"the workflow was not registered: {answer.text.strip()}")


def nodes(settings: Settings) -> list[Node]:
    """Return every stage of the workflow; those that TorchServe does not know have no workers."""
    return [_node(settings, stage) for stage in STAGES]


def _node(settings: Settings, stage: str) -> Node:
    try:
        answer = requests.get(settings.management.model_url(stage), timeout=ASK_S)
    except requests.RequestException:
        return Node(stage)
    return Node.of(stage, answer.json()) if answer.ok else Node(stage)


class Registration(threading.Thread):
    """A thread that registers the workflow, so that the supervisor can be stopped meanwhile.

    Attributes:
        error: why the registration failed, or None.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self.settings = settings
        self.error: Exception | None = None

    def run(self) -> None:
        """Register the workflow; called by `start`."""
        try:
            register(self.settings)
        except Exception as error:  # noqa: BLE001 - the supervisor reports it
            self.error = error
