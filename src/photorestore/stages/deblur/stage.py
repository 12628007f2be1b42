"""Deblur: undo a blur that the caller tells, with the denoiser as prior or by a classical method."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import ClassVar

import numpy as np
from torch import Tensor

from photorestore.blur_words import Blur
from photorestore.findings import find
from photorestore.networks.runner import Runner
from photorestore.networks.tiling import TileJob
from photorestore.options import RICHARDSON_LUCY, WIENER
from photorestore.stages.base import is_left_alone
from photorestore.stages.blend import Blend, blend
from photorestore.stages.deblur.deconvolution import LEAST_SIGMA, Deconvolution
from photorestore.stages.deblur.findings import DeblurFindings
from photorestore.stages.deblur.methods import HalfQuadraticSplitting, Method, RichardsonLucy, Wiener
from photorestore.stages.deblur.psf import draw
from photorestore.stages.denoise.findings import DenoiseFindings
from photorestore.stages.networked import NetworkStage
from photorestore.stages.preprocess.findings import findings_of, is_grey
from photorestore.stages.scratch import masks
from photorestore.workspace import Array, Workspace

LEFT_BY_DENOISING = 0.5
"""Share of the noise to reckon with where noise was removed before: what a denoiser leaves is not noise, but would be
taken for detail of the blurred picture."""


class DeblurStage(NetworkStage):
    """Writes the plane `deblurred` where the caller tells the blur; damage is filled after it."""

    name: ClassVar[str] = "deblur"

    def run(self, batch: Sequence[Workspace]) -> None:
        for workspace in batch:
            if (blur := _blur(workspace)) is not None:
                self._sharpen(workspace, blur)

    def _sharpen(self, workspace: Workspace, blur: Blur) -> None:
        image, options = workspace.before("deblurred"), workspace.options
        sigma = max(LEAST_SIGMA, _sigma_255(workspace) / 255)
        network = Deconvolution(draw(blur), self._method(workspace))
        tile_px = max(self.denoiser.tile_px, 4 * (network.descriptor.reach_px or 0))
        # Steps take turns, not tiles, so that others are not kept waiting for all of them.
        runner = replace(self.denoiser, network=network, tile_px=tile_px, turn=nullcontext())
        context = Blend(options.strength_of(self.name), is_grey(workspace))
        with workspace.new_plane("deblurred", image.shape, "uint16") as target:
            planes = {"image": image, "scratch_mask": _damage(workspace)}
            runner.fill([TileJob(planes, target, context, {"sigma": sigma})], blend)
        found = DeblurFindings(str(blur), options.deblur_method, round(255 * sigma, 2))
        workspace.envelope.current = "deblurred"
        workspace.envelope.estimates[self.name] = found
        workspace.ran(self.name, f"{found.psf} undone by {found.method} (noise {found.sigma_255:.1f} of 255)")

    @property
    def denoiser(self) -> Runner[Tensor]:
        """Return the network that is borrowed as prior."""
        return self.networks["denoise"]

    def _method(self, workspace: Workspace) -> Method:
        """Return what undoes the blur; it stops between two steps once the request is no longer wanted."""

        @contextmanager
        def step() -> Iterator[None]:
            workspace.require_wanted()
            with self.denoiser.turn:
                yield

        def denoise(image: Tensor, sigma: Tensor) -> Tensor:
            workspace.require_wanted()
            return self.denoiser(image, sigma, clamps=False)

        if workspace.options.deblur_method == WIENER:
            return Wiener(step)
        if workspace.options.deblur_method == RICHARDSON_LUCY:
            return RichardsonLucy(step)
        return HalfQuadraticSplitting(denoise, step)


def _blur(workspace: Workspace) -> Blur | None:
    """Return the blur to undo, or None; the reason not to goes into the trace."""
    words, strength = workspace.options.psf, workspace.options.strength_of("deblur")
    if words is None or strength == 0:
        workspace.passed("deblur", "not asked for")
        return None
    denoised = find(workspace.envelope.estimates, DenoiseFindings)
    if denoised is not None and denoised.psf is not None:
        workspace.passed("deblur", f"undone by {denoised.method}")
        return None
    # Whoever tells the blur overrides the judgement of what the picture is.
    if findings_of(workspace).one_colour and is_left_alone("deblur", workspace):
        return None
    return Blur.parse(words)


def _damage(workspace: Workspace) -> Array:
    """Return what is damaged, (1, H, W), 255 = damaged."""
    mask = workspace.mask()
    if mask is None:
        return np.zeros((1, *workspace.plane("image").shape[1:]), np.uint8)
    return mask if workspace.is_marked else masks.grow(mask.astype(np.uint8, copy=False))


def _sigma_255(workspace: Workspace) -> float:
    """Return the noise of what is deblurred, by the caller or the estimates; a JPEG's artefacts count like noise."""
    given, found = workspace.options.sigma_255, findings_of(workspace)
    sigma_255 = math.hypot(found.sigma_255, found.artefacts_255 or 0) if given is None else given
    is_denoised = workspace.name_before("deblurred") != "image"
    return LEFT_BY_DENOISING * sigma_255 if is_denoised else sigma_255
