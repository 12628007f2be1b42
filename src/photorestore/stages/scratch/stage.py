"""Scratch: find scratches, hairs, cracks, creases, tears, flakes and dust."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
from torch import Tensor

from photorestore.networks.runner import Runner
from photorestore.networks.tiling import TileJob, Tiles
from photorestore.options import THOROUGH
from photorestore.stages.base import is_left_alone
from photorestore.stages.networked import NetworkStage
from photorestore.stages.preprocess.findings import decided_of
from photorestore.stages.preprocess.scene import TRUNK, features_of, is_told, plane_view, see
from photorestore.stages.scratch import masks
from photorestore.stages.scratch.findings import ScratchFindings
from photorestore.stages.scratch.glance_network import Cored, Glance, Glanced
from photorestore.stages.scratch.looks import Look, average, turn
from photorestore.stages.scratch.network import ScratchUNet
from photorestore.stages.scratch.scales import factors_of, fuse, shrunk
from photorestore.workspace import Array, Workspace

PHOTOGRAPHS, PRINTS = "scratch", "scratch_print"
"""The network trained on damaged film and on sound photographs, and the one trained on damaged prints."""
GLANCE = "scratch_glance"
"""The network by which the first one is stopped half-way where a photograph is probably sound."""
GLANCED = "scratch, at a glance"
"""The first one, when it may be stopped."""
SURE_IN_PRINTS, RULED_OUT = 0.9, 0.02
"""In prints the network for photographs is believed from the first probability on, where that for prints gives it at
least the second. On held-out prints with damage of film the F1 is .83 at `CERTAIN_IN_DAMAGED`; .84 if nothing were
ruled out, .80 if it were not believed. Of sound ones .019 % is marked at `CERTAIN_IN_PRINTS`, in place of .037."""


@dataclass(frozen=True, slots=True)
class Search:
    """The search for damage in one picture.

    Attributes:
        certain: see `masks.find_damage`.
        looks: the first is at full size; a turned one stands behind the same as it is.
    """

    workspace: Workspace
    certain: float
    looks: list[Look]

    @classmethod
    def of(cls, workspace: Workspace, trunk: Runner[Tensor] | None) -> Search:
        """Look at a picture as its options and its judgement ask.

        Args:
            trunk: a `SceneTrunk`, which tells the detectors what is pictured; None where none of them is told.
        """
        image, certain = workspace.plane("image"), _certain(workspace)
        features = None if trunk is None else see(workspace, trunk)
        networks = choose(workspace)
        looks = [Look.at(image, network, features) for network in networks]
        if PRINTS in networks and certain < masks.CERTAIN_IN_OTHERS:
            turned = turn(image)
            seen = None if trunk is None else features_of(trunk, plane_view(turned))
            looks.append(Look.at(turned, PRINTS, seen, is_turned=True))
            looks += [Look.at(shrunk(image, n), PRINTS, features, n) for n in factors_of(*image.shape[1:])]
        return cls(workspace, certain, looks)

    def jobs(self, name: str, network: Runner[Tensor]) -> list[TileJob[None]]:
        """Return what a network has to do."""
        return [look.job(network) for look in self.looks if look.network == name]

    def finish(self) -> float:
        """Write `scratch_prob` and `scratch_mask`, and return the share of pixels in the mask."""
        for look, turned in pairwise(self.looks):
            if turned.is_turned:
                average(look.prob, turned.prob)
        looks = [look for look in self.looks if not look.is_turned]
        probs = [look.prob for look in looks]
        if decided_of(self.workspace).is_print:
            doubt(probs[0], probs[1], self.certain)
        with self.workspace.new_plane("scratch_prob", probs[0].shape, "uint16") as target:
            fuse(probs, [look.factor for look in looks], target)
        mask = masks.find_damage(self.workspace.plane("scratch_prob"), self.certain)
        self.workspace.write_plane("scratch_mask", mask)
        return masks.coverage(mask)


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
        for name, network in detectors.items():
            network.fill([job for search in searches for job in search.jobs(name, network)], _probability)
        for search in searches:
            coverage = search.finish()
            search.workspace.envelope.estimates[self.name] = ScratchFindings(coverage)
            search.workspace.ran(
                self.name, f"{100 * coverage:.2f} % damaged" if coverage else "no damage found"
            )


def choose(workspace: Workspace) -> tuple[str, ...]:
    """Choose the networks that look at a picture: both at prints and at pictures taken for damaged."""
    is_sound = _certain(workspace) == masks.CERTAIN_IN_OTHERS and not decided_of(workspace).is_print
    return (GLANCED,) if is_sound else (PHOTOGRAPHS, PRINTS)


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


def doubt(prob: Array, in_print: Array, certain: float) -> None:
    """Keep of what the network for photographs finds in a print what it is sure of and the other does not rule out.

    What it is surer of than `certain` becomes certainty, see `masks.trusted`.

    Args:
        prob: what it finds, (1, H, W), uint16; changed in place.
        in_print: what the network for prints finds, alike.
    """
    most = np.iinfo(prob.dtype).max
    prob[(prob < round(SURE_IN_PRINTS * most)) | (in_print < round(RULED_OUT * most))] = 0
    prob[prob >= round(max(SURE_IN_PRINTS, certain) * most)] = most


def _probability(scratch_logits: Tensor, _tiles: Tiles[None]) -> Tensor:
    return scratch_logits.sigmoid()


def _certain(workspace: Workspace) -> float:
    """Return how certain the detector must be of a defect, by what was asked for and how the picture was judged."""
    found = decided_of(workspace)
    is_told = workspace.options.wants("scratch") or workspace.options.mode == THOROUGH
    if is_told:  # whoever asks for it says that the picture is damaged
        return masks.CERTAIN_IN_DAMAGED
    if not found.is_thorough:
        return masks.CERTAIN_IN_OTHERS
    return masks.CERTAIN_IN_DAMAGED if found.damaged else masks.CERTAIN_IN_PRINTS


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
