"""Answers that TorchServe has lost: how they are noticed, and their runs begun anew.

An answer that a node gives before the front end listens is lost, and its request would hang until the workflow's
`timeout-ms`, with its place among those in flight. Handlers wait for that (`photorestore.serving.frontend`), by what
can be seen of the front end from outside. So the edge looks after runs of which nothing is heard, too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from gateway.uploads import FILES
from gateway.workflow import Node
from photorestore.options import STAGES
from photorestore.workspace import RUNNING, Workspace

LOOK_EVERY_S = 5.0
QUIET_S = 30.0
"""So long nothing was written into the workspace, and no stage is at work on it."""


def is_quiet(workspace: Workspace) -> bool:
    """Whether a run waits for a stage to take it, and has done so for a while."""
    try:
        changed = workspace.directory.stat().st_mtime
    except OSError:
        return False
    return time.time() - changed > QUIET_S and RUNNING not in workspace.states().values()


def find_lost(runs: Mapping[str, Workspace], nodes: Sequence[Node]) -> list[str]:
    """Keys of quiet runs that no stage will ever take: the next one is idle.

    Args:
        runs: all that are in flight, by key.
        nodes: the stages as they are now.
    """
    idle = {node.stage for node in nodes if node.ready and not node.pending}
    busy = {stage for run in runs.values() for stage, state in run.states().items() if state == RUNNING}
    return [key for key, run in runs.items() if is_quiet(run) and _next_stage(run) in {None, *idle} - busy]


def _next_stage(run: Workspace) -> str | None:
    begun = run.states()
    return next((stage for stage in STAGES if stage not in begun), None)


def begin_anew(workspace: Workspace) -> Workspace:
    """Another workspace with the same upload, options and deadline, in place of this one, which is removed.

    Raises:
        OutOfSpace: shared memory is full.
    """
    envelope = workspace.envelope
    again = Workspace.create(
        workspace.root, envelope.options, request_id=envelope.request_id, accept=envelope.accept
    )
    again.envelope.deadline, again.envelope.answer = envelope.deadline, envelope.answer
    for name in FILES.values():
        if workspace.path(name).exists():
            again.path(name).hardlink_to(workspace.path(name))
    workspace.remove()
    return again
