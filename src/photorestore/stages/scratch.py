"""Scratch: finds scratches, hairs, cracks, creases, tears, flakes and dust."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from photorestore import masks
from photorestore.networks.scratch import ScratchUNet
from photorestore.options import THOROUGH
from photorestore.scales import factors_of, fuse, shrunk
from photorestore.stages.base import SingleNetworkStage, is_left_alone
from photorestore.tiling import TileJob
from photorestore.workspace import Array, Workspace

MAYBE_DAMAGED = 0.3
"""From this judged probability of damage on the detector may say that a picture is damaged."""


@dataclass(frozen=True, slots=True)
class Search:
    """The search for damage in one picture.

    Attributes:
        certain: see `masks.find_damage`.
        jobs: one for each scale, the full size first.
        factors: by what the picture is shrunk for each.
    """

    workspace: Workspace
    certain: float
    jobs: list[TileJob] = field(default_factory=list)
    factors: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, workspace: Workspace) -> Search:
        """Look at a picture as its options and its judgement ask."""
        image = workspace.plane("image")
        search = cls(workspace, _certain(workspace))
        may_be_damaged = search.certain < masks.CERTAIN_IN_OTHERS
        for factor in (1, *(factors_of(*image.shape[1:]) if may_be_damaged else ())):
            view = image if factor == 1 else shrunk(image, factor)
            search.jobs.append(TileJob((view,), np.empty((1, *view.shape[1:]), np.uint16)))
            search.factors.append(factor)
        return search

    def finish(self) -> float:
        """Write `scratch_prob` and `scratch_mask`; gives the share of pixels in the mask."""
        probs: list[Array] = [job.target for job in self.jobs]
        with self.workspace.new_plane("scratch_prob", probs[0].shape, "uint16") as target:
            fuse(probs, self.factors, target)
        prob, certain = self.workspace.plane("scratch_prob"), self.certain
        if _may_be_damaged(self.workspace) and masks.shows_damage(prob):
            certain = masks.CERTAIN_IN_DAMAGED
        mask = masks.find_damage(prob, certain)
        self.workspace.write_plane("scratch_mask", mask)
        return masks.coverage(mask)


class ScratchStage(SingleNetworkStage[ScratchUNet]):
    """Writes the planes `scratch_prob` and `scratch_mask`, unless the caller marked the damage or did not ask for it.

    It looks at the plane `image`, so that it can work beside the denoiser.
    """

    name: ClassVar[str] = "scratch"

    def run(self, batch: Sequence[Workspace]) -> None:
        searches = [Search.of(workspace) for workspace in batch if _engages(workspace)]
        self.run_tiles(self._forward, [job for search in searches for job in search.jobs], self.spec)
        for search in searches:
            coverage = search.finish()
            search.workspace.envelope.estimates[self.name] = {"coverage": coverage}
            search.workspace.ran(
                self.name, f"{100 * coverage:.2f} % damaged" if coverage else "no damage found"
            )

    def _forward(self, tiles: Tensor, _contexts: Sequence[Any]) -> Tensor:
        scratch_logits: Tensor = self.network(tiles)
        return scratch_logits.sigmoid()


def _certain(workspace: Workspace) -> float:
    """How certain the detector must be of a defect, by what was asked for and what the picture was judged to be."""
    found, options = workspace.envelope.estimates.get("preprocess", {}), workspace.options
    # Who asks for this stage, or for thorough work, says that the picture is damaged.
    if options.wants("scratch") or options.mode == THOROUGH:
        return masks.CERTAIN_IN_DAMAGED
    if found.get("mode") != THOROUGH:
        return masks.CERTAIN_IN_OTHERS
    return masks.CERTAIN_IN_DAMAGED if found.get("damaged") else masks.CERTAIN_IN_PRINTS


def _may_be_damaged(workspace: Workspace) -> bool:
    """Whether the judgement leaves it open that the picture is damaged; rails and grids look like cracks, too."""
    found = workspace.envelope.estimates.get("preprocess", {})
    return bool(found.get("probabilities", {}).get("damaged", 0) >= MAYBE_DAMAGED)


def _engages(workspace: Workspace) -> bool:
    """Whether to look; the reason not to goes into the trace."""
    if is_left_alone("scratch", workspace):
        return False
    if "hole_mask" in workspace.envelope.planes:
        workspace.passed("scratch", "a mask was given")
        return False
    if workspace.options.wants("scratch") is False:
        workspace.passed("scratch", "not asked for")
        return False
    return True
