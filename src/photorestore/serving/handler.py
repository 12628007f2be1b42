"""Handle TorchServe's requests, for all archives: exactly one answer for each item, whatever happens."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from photorestore.allocator import keep_freed_memory
from photorestore.directories import default_root
from photorestore.envelope import Envelope, Problem
from photorestore.errors import BrokenArtifact, RestorationError
from photorestore.logs import about, format_ours_as_json
from photorestore.options import Options
from photorestore.serving import answers, requests
from photorestore.serving.answers import Answer
from photorestore.serving.context import Context
from photorestore.serving.loading import configured_workspace, load_stages
from photorestore.serving.management import WHOLE
from photorestore.serving.metrics import observe
from photorestore.serving.turns import Turn
from photorestore.stages.base import Stage, run_stage
from photorestore.stages.networked import NetworkStage
from photorestore.stages.tiered import TieredStage
from photorestore.workspace import Workspace

logger = logging.getLogger(__name__)

ROOT_VARIABLE = "PHOTORESTORE_WORKSPACE"
"""Environment variable with the folder of all workspaces; overrides `model-config.yaml`."""

TURN_FILES = "photorestore-turn"
"""Name of the lock files in the temp dir, of which each TorchServe has its own."""

WHOLE_NICE = 5
"""How much the process that runs all stages yields to the others: it gets a quarter of a core that they want, too."""


@dataclass(slots=True)
class Request:
    """One item of a batch.

    Attributes:
        envelope: its document.
        workspace: its directory; None if it failed before it had one, or had failed when it came.
        alone: whether it came as a picture, which this stage answers with a picture.
    """

    envelope: Envelope
    workspace: Workspace | None
    alone: bool


class StageHandler:
    """Runs one stage for TorchServe. `handlers/` has a subclass for each, which names the stage, and one for `WHOLE`.

    In the workflow a request comes and goes as an envelope; `deliver` answers with the picture, or with a
    problem document. A picture sent to a stage's own endpoint is pre-processed, run through that stage and
    delivered here. `WHOLE` runs an envelope through all stages and answers as `deliver` does.
    """

    stage_name: ClassVar[str]

    def initialize(self, context: Context) -> None:
        """Load the stage.

        Raises:
            BrokenArtifact: weights or `model-config.yaml` are not what they should be; no worker starts.
        """
        format_ours_as_json(lambda: {"worker": os.getpid()})
        if self.stage_name == WHOLE:
            os.nice(WHOLE_NICE)
        model_config = context.model_yaml_config or {}
        root = os.environ.get(ROOT_VARIABLE) or configured_workspace(model_config)
        self.root = Path(root) if root else default_root()
        weights = Path(str(context.system_properties["model_dir"])) / "weights"
        device = _device(context.system_properties.get("gpu_id"))
        self.stages = load_stages(self.stage_name, model_config, weights, device)
        if device.type == "cpu":
            keep_freed_memory()
            _take_turns(self.stages.values())

    def handle(self, data: Sequence[requests.Item], context: Context) -> list[bytes]:
        """Return one answer for each item, in order. Never raises: see docs/adr/0002-torchserve-workflow.md."""
        batch = [self._admit(item, context, index) for index, item in enumerate(data)]
        self._run(batch, context)
        return [self._answer(request, context, index) for index, request in enumerate(batch)]

    def _admit(self, item: requests.Item, context: Context, index: int) -> Request:
        headers: dict[str, str] = {}
        is_alone = False
        try:
            headers = requests.normalise_headers(context.get_all_request_header(index))
            is_alone = requests.is_alone(item, headers, self.stage_name)
            if requests.is_upload(item, headers, self.stage_name):
                return self._receive(item, headers, alone=is_alone)
            return self._resume(requests.read_envelope(item))
        except Exception as error:  # noqa: BLE001 - one bad item must not fail its batch
            failed = Envelope("", requests.request_id(headers), 0.0, Options())
            failed.problem = self._problem(error, failed)
            return Request(failed, None, is_alone)

    def _receive(self, item: requests.Item, headers: requests.Headers, *, alone: bool) -> Request:
        upload = requests.read_upload(item, headers)
        label, accept = requests.request_id(headers), headers.get("accept", "")
        workspace = Workspace.create(self.root, upload.options, request_id=label, accept=accept)
        try:
            workspace.write_file("upload", upload.image)
            if upload.mask is not None:
                workspace.write_file("mask_upload", upload.mask)
            if upload.reference is not None:
                workspace.write_file("reference_upload", upload.reference)
        except Exception:
            workspace.remove()
            raise
        return Request(workspace.envelope, workspace, alone)

    def _resume(self, envelope: Envelope) -> Request:
        if envelope.problem is not None:
            return Request(envelope, None, alone=False)
        try:
            return Request(envelope, Workspace.open(self.root, envelope), alone=False)
        except RestorationError as error:
            envelope.problem = self._problem(error, envelope)
            return Request(envelope, None, alone=False)

    def _run(self, batch: Sequence[Request], context: Context) -> None:
        passing = [
            request.workspace
            for request in batch
            if request.workspace and not request.alone and not answers.is_delivered(request.workspace)
        ]
        alone = [request.workspace for request in batch if request.workspace and request.alone]
        of_all = list(self.stages)
        of_passing = of_all if self.stage_name == WHOLE else [self.stage_name]
        for names, workspaces in ((of_passing, passing), (of_all, alone)):
            for name in names if workspaces else ():
                run_stage(self.stages[name], workspaces)
            for workspace in workspaces:
                observe(context, names, workspace.envelope)

    def _answer(self, request: Request, context: Context, index: int) -> bytes:
        is_last = request.alone or self.stage_name in ("deliver", WHOLE)
        try:
            answer = self._deliver(request) if is_last else answers.envelope_answer(request.envelope)
        except Exception as error:  # noqa: BLE001 - exactly one answer per item
            problem = self._problem(error, request.envelope)
            answer = answers.problem_answer(problem, request.envelope.request_id)
        context.set_response_status(answer.status, answer.phrase, index)
        context.set_response_content_type(index, answer.content_type)
        return answer.body

    def _deliver(self, request: Request) -> Answer:
        workspace = Workspace(self.root, request.envelope)
        problem = request.envelope.problem
        try:
            if problem is not None:
                trace = request.envelope.trace if request.envelope.answer == "report" else None
                return answers.problem_answer(problem, request.envelope.request_id, trace)
            return answers.delivered_answer(workspace)
        finally:
            answers.settle(workspace, keep=not request.alone)

    def _problem(self, error: Exception, envelope: Envelope) -> Problem:
        found = about(**envelope.labels, stage=self.stage_name)
        if isinstance(error, RestorationError) and not isinstance(error, BrokenArtifact):
            logger.info("%s: %s", self.stage_name, error, extra=found)
            return Problem.of(error, self.stage_name)
        logger.error("the stage %s failed", self.stage_name, exc_info=error, extra=found)
        return Problem.internal(self.stage_name)


def _take_turns(stages: Iterable[Stage]) -> None:
    turn = Turn(Path(tempfile.gettempdir()) / TURN_FILES, torch.get_num_threads(), torch.set_num_threads)
    for stage in stages:
        if isinstance(stage, TieredStage | NetworkStage):
            stage.take_turns(turn)


def _device(gpu_id: object) -> torch.device:
    has_gpu = isinstance(gpu_id, int) and gpu_id >= 0 and torch.cuda.is_available()
    return torch.device(f"cuda:{gpu_id}" if has_gpu else "cpu")
