"""Scratch: find scratches, hairs, cracks, creases, tears, flakes and dust."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
from torch import Tensor

from photorestore.networks.runner import Runner
from photorestore.networks.tiling import TileJob, Tiles, to_integers
from photorestore.options import THOROUGH
from photorestore.stages.base import is_left_alone
from photorestore.stages.networked import NetworkStage
from photorestore.stages.preprocess.findings import decided_of
from photorestore.stages.preprocess.scene import TRUNK, is_told, see
from photorestore.stages.preprocess.scene_network import SCENE, spread
from photorestore.stages.scratch import masks
from photorestore.stages.scratch.findings import ScratchFindings
from photorestore.stages.scratch.glance_network import Glance, Glanced
from photorestore.stages.scratch.network import ScratchUNet
from photorestore.stages.scratch.scales import average, factors_of, fuse, shrunk
from photorestore.workspace import Array, Workspace

PHOTOGRAPHS, PRINTS = "scratch", "scratch_print"
"""The network trained on damaged film and on sound photographs, and the one trained on damaged prints."""
GLANCE = "scratch_glance"
"""The network by which the first one is stopped half-way where a photograph is probably sound."""
GLANCED = "scratch, at a glance"
"""The first one, when it may be stopped."""
SURE_IN_PRINTS = 0.9
"""In prints the network for photographs is believed from this probability on: on held-out pictures the F1 of damaged
film rises from .71 to .75, and that of real prints stays at .56. Believed throughout, it would lower that to .50."""


@dataclass(frozen=True, slots=True)
class Look:
    """One network's look at a picture, shrunk by `factor` or mirrored: what it sees, and the plane of what it finds."""

    network: str
    factor: int
    view: Array
    prob: Array
    is_mirrored: bool = False

    @classmethod
    def at(cls, image: Array, network: str, factor: int = 1, *, mirrored: bool = False) -> Look:
        """Look at a plane (3, H, W)."""
        view = image if factor == 1 else shrunk(image, factor)
        view = view[..., ::-1] if mirrored else view
        return cls(network, factor, view, np.empty((1, *view.shape[1:]), np.uint16), mirrored)


@dataclass(frozen=True, slots=True)
class Search:
    """The search for damage in one picture.

    Attributes:
        certain: see `masks.find_damage`.
        features: of what the picture shows, see `scene.features_of`; None where no network is told.
        looks: the first is at full size; a mirrored one stands behind the same as it is.
    """

    workspace: Workspace
    certain: float
    features: Tensor | None
    looks: list[Look] = field(default_factory=list)

    @classmethod
    def of(cls, workspace: Workspace, features: Tensor | None) -> Search:
        """Look at a picture as its options and its judgement ask."""
        image, search = workspace.plane("image"), cls(workspace, _certain(workspace), features)
        for network in choose(workspace):
            search.looks.append(Look.at(image, network))
            if network == PRINTS and search.certain < masks.CERTAIN_IN_OTHERS:
                search.looks.append(Look.at(image, network, mirrored=True))
                search.looks.extend(
                    Look.at(image, network, factor) for factor in factors_of(*image.shape[1:])
                )
        return search

    def jobs(self, name: str, network: Runner[Tensor]) -> list[TileJob[None]]:
        """Return what a network has to do."""
        looks = [look for look in self.looks if look.network == name]
        planes: list[dict[str, Array]] = [{"image": look.view} for look in looks]
        if looks and is_told(network) and self.features is not None:
            shown = network.part(SCENE)(self.features.float())
            for given, look in zip(planes, looks, strict=True):
                _, h, w = look.view.shape
                seen = shown.flip(-1) if look.is_mirrored else shown
                scene = spread(seen, h, w, network.descriptor.stride)
                given[SCENE] = to_integers(scene[0], np.dtype(np.uint16))
        return [TileJob(given, look.prob, None) for given, look in zip(planes, looks, strict=True)]

    def finish(self) -> float:
        """Write `scratch_prob` and `scratch_mask`, and return the share of pixels in the mask."""
        for look, mirrored in pairwise(self.looks):
            if mirrored.is_mirrored:
                average(look.prob, mirrored.prob)
        looks = [look for look in self.looks if not look.is_mirrored]
        probs = [look.prob for look in looks]
        if decided_of(self.workspace).is_print:
            most = np.iinfo(np.uint16).max
            probs[0][probs[0] < round(SURE_IN_PRINTS * most)] = 0
            probs[0][probs[0] >= round(max(SURE_IN_PRINTS, self.certain) * most)] = (
                most  # see `masks.trusted`
            )
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
        detectors = {name: self.networks[name] for name in (PHOTOGRAPHS, PRINTS)}
        detectors[GLANCED] = with_glance(detectors[PHOTOGRAPHS], self.networks[GLANCE])
        are_told = any(map(is_told, detectors.values()))
        searches = [
            Search.of(workspace, see(workspace, self.networks[TRUNK]) if are_told else None)
            for workspace in batch
            if _engages(workspace)
        ]
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


def with_glance(detector: Runner[Tensor], glance: Runner[Tensor]) -> Runner[Tensor]:
    """Return a detector that is stopped by a glance; or as it is, where the glance was trained with another one."""
    one, other = detector.network, glance.network
    if isinstance(one, ScratchUNet) and isinstance(other, Glance) and other.fits(one):
        return replace(detector, network=Glanced(one, other))
    return detector


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
