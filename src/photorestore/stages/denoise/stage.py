"""Denoise: remove noise, grain and JPEG artefacts of the given or estimated level."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import ClassVar

from photorestore.methods import NETWORK
from photorestore.networks.tiling import TileJob
from photorestore.options import AUTO
from photorestore.stages.base import is_left_alone
from photorestore.stages.blend import Blend, blend
from photorestore.stages.denoise.by_method import remove_noise
from photorestore.stages.denoise.levels import Level, level_of
from photorestore.stages.networked import NetworkStage
from photorestore.stages.preprocess.findings import findings_of, is_grey
from photorestore.workspace import Workspace

KEPT_GRAIN = 0.4
"""Share of a print's grain that stays where the picture decides: prints without any look like plastic, and grain cannot
be told with certainty from the texture of cloth and walls."""


class DenoiseStage(NetworkStage):
    """Writes the plane `denoised` where noise was found or denoising was asked for."""

    name: ClassVar[str] = "denoise"

    def run(self, batch: Sequence[Workspace]) -> None:
        working = []
        for workspace in filter(_engages, batch):
            if workspace.options.denoise_method == NETWORK:
                working.append(workspace)
            else:
                context = Blend(_strength(workspace), is_grey(workspace))
                remove_noise(workspace, self.networks, _level(workspace), context)
        with contextlib.ExitStack() as planes:
            jobs = [planes.enter_context(_job(workspace)) for workspace in working]
            self.networks["denoise"].fill(jobs, blend)
        for workspace in working:
            workspace.envelope.current = "denoised"
            kept = (
                ", a part of the grain kept"
                if _strength(workspace) < workspace.options.strength_of(self.name)
                else ""
            )
            workspace.ran(self.name, f"noise removed ({_level(workspace)}{kept})")


def _engages(workspace: Workspace) -> bool:
    """Whether to denoise; the reason not to goes into the trace."""
    if is_left_alone("denoise", workspace):
        return False
    reason = _reason_to_pass(workspace)
    if reason is not None:
        workspace.passed("denoise", reason)
    return reason is None


def _reason_to_pass(workspace: Workspace) -> str | None:
    options, wanted = workspace.options, workspace.options.wants("denoise")
    if wanted is False or options.strength_of("denoise") == 0:
        return "not asked for"
    if wanted:
        return None
    if workspace.is_marked:
        return "a mask was given: only what it marks is restored"
    if options.denoise_method != NETWORK:
        return None
    if options.psf is not None:
        return "deblurring removes noise itself"
    found = findings_of(workspace)
    return None if found.noisy else f"no noise found (sigma {found.sigma_255:.1f} of 255)"


@contextlib.contextmanager
def _job(workspace: Workspace) -> Iterator[TileJob[Blend]]:
    image = workspace.plane("image")
    sigma = _level(workspace).sigma_255 / 255
    context = Blend(_strength(workspace), is_grey(workspace))
    with workspace.new_plane("denoised", image.shape, "uint16") as target:
        yield TileJob({"image": image}, target, context, {"sigma": sigma})


def _strength(workspace: Workspace) -> float:
    """Return how much of what the network calls noise is removed."""
    options = workspace.options
    is_told = options.wants("denoise") or options.mode != AUTO or options.denoise_method != NETWORK
    keeps_grain = not is_told and findings_of(workspace).is_print and not _level(workspace).is_certain
    return options.strength_of("denoise") * (1 - KEPT_GRAIN if keeps_grain else 1)


def _level(workspace: Workspace) -> Level:
    found = findings_of(workspace)
    return level_of(found, workspace.options.sigma_255, is_grainy=found.is_judged_noisy)
