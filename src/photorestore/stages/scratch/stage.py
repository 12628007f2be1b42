"""Scratch: find scratches, hairs, cracks, creases, tears, flakes and dust."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from torch import Tensor

from photorestore.networks.runner import Runner
from photorestore.networks.tiling import Tiles
from photorestore.stages.base import is_left_alone
from photorestore.stages.networked import NetworkStage
from photorestore.stages.preprocess.scene import TRUNK, is_told
from photorestore.stages.scratch.findings import ScratchFindings
from photorestore.stages.scratch.glance_network import Cored, Glance, Glanced
from photorestore.stages.scratch.network import ScratchUNet
from photorestore.stages.scratch.search import GLANCED, PHOTOGRAPHS, PRINTS, Search
from photorestore.workspace import Workspace

GLANCE = "scratch_glance"
"""The network by which the first one is stopped half-way where a photograph is probably sound."""


class ScratchStage(NetworkStage):
    """Writes the planes `scratch_prob` and `scratch_mask`, unless the caller marked the damage or did not ask for it.

    It looks at the plane `image`, so that it can work beside the denoiser.
    """

    name: ClassVar[str] = "scratch"

    def run(self, batch: Sequence[Workspace]) -> None:
        detectors = {name: without_halos(self.networks[name]) for name in (PHOTOGRAPHS, PRINTS)}
        detectors[GLANCED] = with_glance(self.networks[PHOTOGRAPHS], self.networks[GLANCE])
        trunk = self.networks[TRUNK] if any(map(is_told, detectors.values())) else None
        searches = [Search.of(workspace, trunk) for workspace in batch if _engages(workspace)]
        waiting = searches
        while waiting:
            for name, network in detectors.items():
                network.fill([job for search in waiting for job in search.jobs(name, network)], _probability)
            waiting = [search for search in waiting if search.goes_on()]
        for search in searches:
            coverage = search.finish()
            search.workspace.envelope.estimates[self.name] = ScratchFindings(coverage)
            search.workspace.ran(
                self.name, f"{100 * coverage:.2f} % damaged" if coverage else "no damage found"
            )


def without_halos(detector: Runner[Tensor]) -> Runner[Tensor]:
    """Return a detector that does not decode the halos of tiles; one from elsewhere as it is."""
    if isinstance(detector.network, ScratchUNet):
        return replace(detector, network=Cored(detector.network))
    return detector


def with_glance(detector: Runner[Tensor], glance: Runner[Tensor]) -> Runner[Tensor]:
    """Return a detector that is stopped by a glance, or not, where the glance was trained with another one."""
    one, other = detector.network, glance.network
    if isinstance(one, ScratchUNet) and isinstance(other, Glance) and other.fits(one):
        return replace(detector, network=Glanced(one, other))
    return without_halos(detector)


def _probability(scratch_logits: Tensor, _tiles: Tiles[None]) -> Tensor:
    return scratch_logits.sigmoid()


def _engages(workspace: Workspace) -> bool:
    """Whether to look; the reason not to goes into the trace."""
    if is_left_alone("scratch", workspace):
        return False
    if workspace.is_marked:
        workspace.passed("scratch", "a mask was given")
        return False
    if workspace.options.wants("scratch") is False:
        workspace.passed("scratch", "not asked for")
        return False
    return True
