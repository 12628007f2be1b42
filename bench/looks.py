"""Run one picture through the stages, and keep what they found on the way: mask, probability, judgement, trace."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from bench.pictures import Floats, Mask, Pixels
from photorestore import imaging
from photorestore.options import STAGES, Options
from photorestore.pipeline import Picture, Pipeline
from photorestore.stages.base import run_stage
from photorestore.stages.preprocess.findings import PreprocessFindings, findings_of
from photorestore.stages.tiered import TieredStage
from photorestore.stages.translate.stage import TranslateStage
from photorestore.workspace import Workspace

DEFAULT = Options(timeout_s=600)
"""Nothing named: the picture decides."""
FOR_MASK = ("preprocess", "scratch")
"""The stages on which the mask depends."""
VISIBLE_255 = 8
"""A pixel is changed where a channel moved by more than this."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the stages made of a picture.

    Attributes:
        image: (H, W, 3), the result, before encoding.
        mask: (H, W), what was found to be damaged; nothing where nobody looked.
        prob: (H, W) in [0, 1], the detector's; None where it did not look.
        found: what `preprocess` thinks of it.
        ran: the stages between reading and delivering that worked.
    """

    image: Pixels
    mask: Mask
    prob: Floats | None
    found: PreprocessFindings
    ran: tuple[str, ...]

    @property
    def mode(self) -> str:
        """What `mode=auto` came to."""
        return self.found.mode

    @property
    def kind(self) -> str:
        """What the picture was taken for; "none" where it was not judged."""
        return self.found.kind or "none"


def look(
    pipeline: Pipeline,
    picture: Picture,
    options: Options = DEFAULT,
    *,
    mask: Picture | None = None,
    stages: tuple[str, ...] = STAGES,
) -> Look:
    """Run `stages`, but not the encoder.

    Raises:
        RuntimeError: a stage failed.
    """
    workspace = Workspace.create(pipeline.root, options)
    workspace.envelope.measures_all = True
    try:
        imaging.put_picture(workspace, "upload", picture)
        if mask is not None:
            imaging.put_picture(workspace, "mask_upload", mask)
        for stage in pipeline.stages:
            if stage.name in stages and stage.name != "deliver":
                run_stage(stage, [workspace])
        if problem := workspace.envelope.problem:
            raise RuntimeError(problem.detail)
        return _seen(workspace)
    finally:
        workspace.remove()


def run_stages(lq: Tensor, stages: tuple[str, ...], pipeline: Pipeline) -> Workspace:
    """Return the workspace of a picture (3, H, W) uint8 after these stages, before it is delivered.

    Raises:
        RuntimeError: a stage failed.
    """
    workspace = Workspace.create(pipeline.root, Options(stages=stages, timeout_s=600))
    workspace.envelope.measures_all = True
    workspace.write_plane("image", lq.numpy())
    for stage in pipeline.stages:
        if stage.name != "deliver":
            run_stage(stage, [workspace])
    if problem := workspace.envelope.problem:
        raise RuntimeError(problem.detail)
    return workspace


def translate_stage(pipeline: Pipeline) -> TranslateStage:
    """Return the stage `translate` with the networks that work where no tier is asked for."""
    stage = next(stage for stage in pipeline.stages if stage.name == "translate")
    loaded = stage.configured if isinstance(stage, TieredStage) else stage
    assert isinstance(loaded, TranslateStage)
    return loaded


def changed_share(before: Pixels, after: Pixels) -> float:
    """Return the share of the pixels that one may see to be changed."""
    moved = np.abs(before.astype(np.int16) - after).max(2)
    return float((moved > VISIBLE_255).mean())


def _seen(workspace: Workspace) -> Look:
    envelope = workspace.envelope
    image = imaging.result_array(workspace)[..., :3].astype(np.uint8, casting="safe")
    mask, prob = np.zeros(image.shape[:2], bool), None
    if "scratch_mask" in envelope.planes:
        mask = workspace.plane("scratch_mask")[0] > 0
        prob = np.float32(1 / 65535) * workspace.plane("scratch_prob")[0]
    ran = tuple(
        stage for stage in STAGES[1:-1] if stage in envelope.trace and envelope.trace[stage].outcome == "ran"
    )
    return Look(image, mask, prob, findings_of(workspace), ran)
