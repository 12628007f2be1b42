"""Define what a stage is, and run it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

import torch

from photorestore.envelope import Problem, Trace
from photorestore.errors import Cancelled, DeadlineExceeded, RestorationError
from photorestore.logs import about
from photorestore.network_words import is_name
from photorestore.networks.precision import AUTO as BY_PROCESSOR
from photorestore.networks.precision import PRECISIONS
from photorestore.options import AUTO
from photorestore.progress import RUNNING, note_state
from photorestore.stages.preprocess.findings import decided_of
from photorestore.tiers import check_tier
from photorestore.workspace import Workspace

logger = logging.getLogger(__name__)

ALONE_PX = 4_000_000
"""Pictures above this many pixels are not batched with others."""


@dataclass(frozen=True, slots=True)
class StageConfig:
    """How a stage computes; the key `photorestore` of an archive's `model-config.yaml`.

    Attributes:
        tier: for requests that name none: `fast`, `quality`, or `auto`, which is `quality` on a GPU if its weights are
            there, else `fast`; or a network from elsewhere by its name, which `TieredStage` chooses.
        precision, tile_px, tile_batch: see `networks.runner.Runner`.

    Raises:
        ValueError: a value is out of range.
    """

    tier: str = AUTO
    precision: str = BY_PROCESSOR
    tile_px: int = 1024
    tile_batch: int = 1

    def __post_init__(self) -> None:
        if not is_name(self.tier):
            check_tier(self.tier)
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}; expected {', '.join(PRECISIONS)}")
        for name in ("tile_px", "tile_batch"):
            if (number := getattr(self, name)) < 1:
                raise ValueError(f"{name} is {number}; expected a whole number of at least 1")


class Stage(Protocol):
    """One step of the pipeline.

    `run` reads planes of each workspace, writes its own, and notes in the trace that it `ran` or `passed`. It never
    reads the plane that it writes, so it may be run again at any time.
    """

    @property
    def name(self) -> str:
        """Return one of `options.STAGES`."""
        ...

    def run(self, batch: Sequence[Workspace]) -> None:
        """Work on every workspace.

        Raises:
            RestorationError: an item cannot be done; `run_stage` finds out which.
        """
        ...


class LoadableStage(Stage, Protocol):
    """A stage that is built from its configuration."""

    @classmethod
    def load(cls, config: StageConfig, weights: Path | None, device: torch.device) -> Self:
        """Build the stage; `weights` is the folder `weights/`.

        Raises:
            BrokenArtifact: the weights are not what they should be.
        """
        ...


def is_left_alone(stage: str, workspace: Workspace) -> bool:
    """Return whether a stage passes because of what the picture is, or seems to be; the reason goes into the trace.

    A caller who names stages, or marks what is to be filled, overrides the judgement.
    """
    found = decided_of(workspace)
    if found.one_colour:
        workspace.passed(stage, "of one colour: there is nothing to restore")
        return True
    is_told = workspace.options.stages is not None or workspace.is_marked
    if is_told or not found.is_untouched:
        return False
    workspace.passed(stage, f"{found.kind_in_words}: left as it is")
    return True


def run_stage(stage: Stage, batch: Sequence[Workspace]) -> None:
    """Run a stage on those requests that still need it. Never raises.

    Failed requests are left alone, late and cancelled ones fail. Pictures above `ALONE_PX`, or whose size is not
    known yet, run alone. An error makes the batch run again in halves, down to the item it belongs to, where it
    becomes the envelope's problem: one bad picture leaves the others as they are, and a batch too large for the
    memory still gets done.
    """
    groups = [[workspace for workspace in batch if _is_small(workspace)]]
    groups += [[workspace] for workspace in batch if not _is_small(workspace)]
    for group in groups:
        if due := [workspace for workspace in group if _is_due(stage.name, workspace)]:
            _run_group(stage, due)


def _is_due(name: str, workspace: Workspace) -> bool:
    if workspace.envelope.problem is not None:
        return False
    try:
        workspace.require_wanted()
    except (Cancelled, DeadlineExceeded) as error:
        _fail(workspace, Problem.of(error, name), time.perf_counter())
        return False
    return True


def _is_small(workspace: Workspace) -> bool:
    plane = workspace.envelope.planes.get("image")
    return plane is not None and plane.shape[1] * plane.shape[2] <= ALONE_PX


def _run_group(stage: Stage, group: Sequence[Workspace]) -> None:
    start = time.perf_counter()
    for workspace in group:
        note_state(workspace.directory, stage.name, RUNNING)
    try:
        stage.run(group)
    except Exception as error:  # noqa: BLE001 - the one place where anything becomes a problem
        if len(group) > 1:
            half = len(group) // 2
            _run_group(stage, group[:half])
            _run_group(stage, group[half:])
        else:
            _fail(group[0], _as_problem(error, stage.name, group[0]), start)
        return
    for workspace in group:
        trace = workspace.envelope.trace
        trace[stage.name] = timed(trace[stage.name], start)
        note_state(workspace.directory, stage.name, trace[stage.name].outcome)


def _as_problem(error: Exception, name: str, workspace: Workspace) -> Problem:
    found = about(**workspace.envelope.labels, stage=name)
    if isinstance(error, RestorationError) and error.status != 500:
        logger.info("%s: %s", name, error, extra=found)
        return Problem.of(error, name)
    logger.error("the stage %s failed", name, exc_info=error, extra=found)
    return Problem.internal(name)


def _fail(workspace: Workspace, problem: Problem, start: float) -> None:
    workspace.envelope.problem = problem
    workspace.envelope.trace[problem.stage] = timed(Trace("failed", problem.detail, 0.0), start)


def timed(trace: Trace, start: float) -> Trace:
    """Return a trace with its times; it began when `time.perf_counter()` gave `start`, and ends now."""
    seconds = time.perf_counter() - start
    return replace(trace, ms=round(1000 * seconds, 2), began=round(time.time() - seconds, 6))
