"""Sites and server in one process: the same app, strategy and messages, without a network between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flwr.app import Message
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from training.federated.messages import Answer


class LocalGrid(Grid):  # type: ignore[misc]  # Flower is not in the environment that types are checked in
    """Asks the sites one after the other.

    Args:
        sites: by name.
    """

    def __init__(self, sites: Mapping[str, Answer]) -> None:
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
        self.names = dict(enumerate(sites, start=2))
        self._sites = sites

    def send_and_receive(
        self,
        messages: Iterable[Message],
        *,
        timeout: float | None = None,  # noqa: ARG002
    ) -> Iterable[Message]:
        """Return the sites' answers."""
        return [self._sites[self.names[message.metadata.dst_node_id]](message) for message in messages]

    def get_node_ids(self) -> Iterable[int]:
        """Return the sites' numbers."""
        return list(self.names)

    def set_run(self, run: Any) -> None:
        """Do nothing: there is one run."""

    @property
    def run(self) -> Any:
        """Return nothing: there is one run."""
        return None

    def create_message(self, *_arguments: Any, **_named: Any) -> Message:
        """Refuse: Flower has deprecated it."""
        raise NotImplementedError

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Refuse: messages are answered at once."""
        raise NotImplementedError

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Refuse: messages are answered at once."""
        raise NotImplementedError
