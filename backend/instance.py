"""The processes of one instance: TorchServe with its workflow, the template of its workers, the REST edge.

With an edge it restarts either when it dies (`backend.supervised`). What it has started runs on when the supervisor
dies, and the next one takes it over (`backend.child`).
"""

from __future__ import annotations

import contextlib
import json
import logging

from backend import management, torchserve
from backend.archives import are_for_cpus
from backend.child import Child
from backend.edge import NAME as EDGE
from backend.edge import Edge
from backend.settings import Settings
from backend.supervised import SupervisedProcess
from backend.template_process import NAME as TEMPLATE
from backend.template_process import TemplateProcess
from backend.torchserve import TorchServe

logger = logging.getLogger(__name__)


class Instance:
    """TorchServe, its workflow, and the REST edge if there is one; what a dead supervisor has left is taken over.

    Attributes:
        registration: the workflow's registration with the TorchServe that runs now.
    """

    def __init__(self, settings: Settings, drain_s: float) -> None:
        self.settings = settings
        template, server, edge = (Child.find(settings, name) for name in (TEMPLATE, torchserve.NAME, EDGE))
        self.template = (
            SupervisedProcess(
                "the template of the workers",
                lambda: TemplateProcess(settings),
                None if template is None else TemplateProcess(settings, template),
            )
            if are_for_cpus(settings.model_store)
            else None
        )
        self.server = SupervisedProcess(
            "TorchServe",
            lambda: TorchServe(settings),
            None if server is None else TorchServe(settings, server),
        )
        self.registration = management.Registration(settings)
        self.edge = (
            None
            if settings.gateway_port is None
            else SupervisedProcess(
                "the REST edge",
                lambda: Edge(settings, drain_s),
                None if edge is None else Edge(settings, drain_s, edge),
            )
        )
        self._note_restarts()

    @property
    def ended(self) -> str:
        """Return what has ended of TorchServe and the edge, in words; empty while both run."""
        both = [one for one in (self.server, self.edge) if one is not None]
        gone = [f"{one.name} (exit status {one.process.exit_status})" for one in both if one.has_ended]
        return " and ".join(gone) + " has ended" if gone else ""

    def register(self) -> None:
        """Begin to register the workflow if TorchServe is up and that has not begun."""
        if self.registration.ident is None and management.is_up(self.settings):
            self.registration.start()

    def keep_template_up(self) -> None:
        """Restart the template if it has ended; workers start without it meanwhile, only slower."""
        if self.template is not None and self.template.keep_up():
            self._note_restarts()

    def keep_up(self) -> bool:
        """Restart what has ended; return False if TorchServe has ended without an edge.

        Then nothing is restarted: whoever runs the container has to do it.
        """
        self.keep_template_up()
        if self.edge is None and self.server.has_ended:
            logger.error("TorchServe has ended (exit status %s)", self.server.process.exit_status)
            return False
        if self.registration.error is not None and not self.server.has_ended:
            logger.error("%s", self.registration.error)
            self.server.process.stop()
        if self.server.keep_up():
            self.registration = management.Registration(self.settings)
            self._note_restarts()
        if self.edge is not None and self.edge.keep_up():
            self._note_restarts()
        self.register()
        return True

    def stop_edge(self) -> None:
        """Stop the edge, if there is one, once it has answered the requests in flight."""
        if self.edge is not None:
            self.edge.process.stop()

    def stop(self) -> None:
        """Stop all processes, the edge first."""
        self.stop_edge()
        self.server.process.stop()
        if self.template is not None:
            self.template.process.stop()

    def _note_restarts(self) -> None:
        """Write the numbers of restarts for the edge's metrics; a full disk is no reason to end."""
        if self.edge is not None:
            counts = {"edge": self.edge.restarts, "torchserve": self.server.restarts}
            if self.template is not None:
                counts["template"] = self.template.restarts
            with contextlib.suppress(OSError):
                self.settings.restarts_file.write_text(json.dumps(counts))


def end_what_is_left(settings: Settings, drain_s: float) -> None:
    """End what a supervisor that was killed, and its guard with it, have left."""
    if (edge := Child.find(settings, EDGE)) is not None:
        Edge(settings, drain_s, edge).stop()
    if (server := Child.find(settings, torchserve.NAME)) is not None:
        TorchServe(settings, server).stop()
    if (template := Child.find(settings, TEMPLATE)) is not None:
        TemplateProcess(settings, template).stop()
