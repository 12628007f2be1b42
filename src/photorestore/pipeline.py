"""Run the pipeline in one Python process: the same stages that TorchServe runs.

For bulk work, for measuring, and as the reference: on the same machine and in the same precision the server delivers
the same bytes.
"""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch
from PIL import Image

from photorestore import errors, imaging
from photorestore.allocator import keep_freed_memory
from photorestore.directories import default_root
from photorestore.errors import BrokenArtifact
from photorestore.housekeeping import sweep
from photorestore.options import STAGES, Options
from photorestore.records import read_record
from photorestore.report import Report
from photorestore.stage_table import STAGE_ROWS
from photorestore.stages.base import LoadableStage, Stage, StageConfig, run_stage
from photorestore.stages.networked import NetworkStage
from photorestore.stages.tiered import TieredStage
from photorestore.tiers import check_tier, require_networks, require_tier
from photorestore.workspace import Workspace

STAGE_CLASSES: dict[str, type[LoadableStage]] = {
    name: pkgutil.resolve_name(f"photorestore.stages.{name}.stage:{name.title()}Stage") for name in STAGES
}
"""Every stage by name, in the order of the pipeline."""

Picture = bytes | Image.Image | npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored picture.

    Attributes:
        image: (H, W, 3), or (H, W, 4) with alpha; uint8, or uint16 where the source had 16 bits; sRGB, as it
            was before encoding.
        report: what was found and done.
        encoded: the picture as a file.
        content_type: media type of `encoded`.
    """

    image: npt.NDArray[Any]
    report: Report
    encoded: bytes
    content_type: str


class Pipeline:
    """All stages, loaded; one thread at a time may restore."""

    def __init__(self, stages: Sequence[Stage], root: Path) -> None:
        self.stages = stages
        self.root = root

    def restore(
        self,
        picture: Picture,
        options: Options | None = None,
        *,
        mask: Picture | None = None,
        reference: Picture | None = None,
        measures_all: bool = False,
    ) -> Restored:
        """Restore one picture.

        Args:
            picture: an encoded picture, a PIL image, or an sRGB array (H, W, 1, 3 or 4), uint8 or uint16.
            options: by default the picture's own estimates decide what is done.
            mask: what to fill: white = hole; of the upright picture's size.
            reference: a photograph whose colours the picture is to get, see `Options.colorize`.
            measures_all: whether the report is to tell noise, tone and the like also where no stage goes by them.

        Raises:
            InvalidInput: the picture, its mask or the options cannot be processed. `UnavailableTier` and
                `UnavailableNetwork` before any work is done.
            OutOfSpace: shared memory is full.
            BrokenArtifact: a stage failed.
        """
        options = options or Options()
        tiered = [stage for stage in self.stages if isinstance(stage, TieredStage)]
        require_tier(options, {stage.name: stage.tiers for stage in tiered})
        require_networks(options, {stage.name: stage.imported for stage in tiered})
        workspace = Workspace.create(self.root, options)
        workspace.envelope.measures_all = measures_all
        try:
            imaging.put_picture(workspace, "upload", picture)
            if mask is not None:
                imaging.put_picture(workspace, "mask_upload", mask)
            if reference is not None:
                imaging.put_picture(workspace, "reference_upload", reference)
            self.run([workspace])
            return _collect(workspace)
        finally:
            workspace.remove()

    def run(self, batch: Sequence[Workspace]) -> None:
        """Run every stage over prepared workspaces; failures are left in their envelopes."""
        for stage in self.stages:
            run_stage(stage, batch)


def load(
    tier: str = "fast",
    device: str | torch.device = "cpu",
    *,
    stages: Sequence[str] = STAGES,
    config: StageConfig | None = None,
    weights: Path | None = None,
    root: Path | None = None,
) -> Pipeline:
    """Load the pipeline.

    On a CPU, memory that networks free is kept for their next layer from now on, up to 256 MB in this process, as in
    the service. What else the service sets has to be there before torch is imported: on a busy machine two threads are
    slower than one unless the environment says `GOMP_SPINCOUNT=1000`.

    Args:
        tier: for pictures whose options name none: "fast", "quality", or "auto", which depends on the device.
        device: where the networks run.
        stages: names from `options.STAGES`; only these are loaded and run.
        config: precision and tiles; its tier is replaced by `tier`.
        weights: the folder `weights/`; by default the one beside the package.
        root: where workspaces are made; by default in shared memory, apart from the service's. What processes that
            were killed left there is deleted.

    Raises:
        BrokenArtifact: weights are missing or are not what they should be.
        ValueError: there is no such tier.
    """
    if torch.device(device).type == "cpu":
        keep_freed_memory()
    check_tier(tier)
    config = replace(config or StageConfig(), tier=tier)
    loaded = [load_stage(name, config, weights, torch.device(device)) for name in stages]
    root = root or default_root().with_name("photorestore-in-process")
    sweep(root)
    return Pipeline(loaded, root)


def load_stage(name: str, config: StageConfig, weights: Path | None, device: torch.device) -> Stage:
    """Load one stage, which loads further tiers of its networks when they are asked for.

    Raises:
        BrokenArtifact: weights are missing or are not what they should be.
    """
    cls = STAGE_CLASSES[name]
    if issubclass(cls, NetworkStage) and any(network.has_tiers for network in STAGE_ROWS[name].networks):
        return TieredStage(cls, config, weights, device)
    return cls.load(config, weights, device)


def _collect(workspace: Workspace) -> Restored:
    problem = workspace.envelope.problem
    if problem is not None:
        raise errors.by_type(problem.type)(problem.detail)
    encoded, report = workspace.read_file("result"), workspace.read_file("report.json")
    if encoded is None or report is None:
        raise BrokenArtifact("the pipeline delivered nothing")
    document = read_record(Report, json.loads(report))
    return Restored(imaging.result_array(workspace), document, encoded, document.content_type)
