"""Deblur: undo a blur that is told or found, with the denoiser as prior or classically; or any, by a network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from photorestore.blur_words import ESTIMATE, Blur
from photorestore.findings import find
from photorestore.imaging.psf_picture import drawn, read_psf
from photorestore.methods import HQS_CSF, NETWORK, RICHARDSON_LUCY, WIENER
from photorestore.networks.runner import Runner
from photorestore.networks.tiling import TileJob
from photorestore.options import AUTO
from photorestore.pixels.psf import draw
from photorestore.stages.base import is_left_alone
from photorestore.stages.blend import Blend, blend
from photorestore.stages.deblur.blind import LEAST_DOUBT, Estimate, find_blur, seems_blurred
from photorestore.stages.deblur.deconvolution import LEAST_SIGMA, Deconvolution
from photorestore.stages.deblur.findings import DeblurFindings
from photorestore.stages.deblur.light import matching
from photorestore.stages.deblur.methods import (
    HalfQuadraticSplitting,
    Method,
    RichardsonLucy,
    Step,
    Wiener,
    quick_splitting,
)
from photorestore.stages.denoise.findings import DenoiseFindings
from photorestore.stages.networked import NetworkStage
from photorestore.stages.preprocess.findings import findings_of, is_grey
from photorestore.stages.scratch import masks
from photorestore.workspace import Array, Workspace

LEFT_BY_DENOISING = 0.5
"""Share of the noise to reckon with where noise was removed before: what a denoiser leaves is not noise, but would be
taken for detail of the blurred picture."""


DOUBT = 1.5
"""Times the noise to reckon with where the PSF was estimated: what it explains wrongly rings less then. Of three
training photographs 1.4 and 2.0 did alike; 2.0 was better than 1 by a decibel in two, with less exact estimates."""
UNKNOWN = DeblurFindings("unknown", NETWORK)


@dataclass(frozen=True, slots=True)
class Known:
    """A blur that is known, as a PSF (K, K), and what the report says of it."""

    psf: Tensor
    found: DeblurFindings


class DeblurStage(NetworkStage):
    """Writes the plane `deblurred` where that is asked for or a blur is told; damage is filled after it."""

    name: ClassVar[str] = "deblur"

    def run(self, batch: Sequence[Workspace]) -> None:
        for workspace in batch:
            if not _is_asked(workspace):
                continue
            method = workspace.options.undoes_blur_by
            if method == NETWORK:
                self._sharpen_unknown(workspace, UNKNOWN)
            elif method == AUTO:
                self._sharpen_as_found(workspace)
            elif (known := self._known(workspace, method)) is not None:
                self._sharpen(workspace, known)

    def _sharpen_as_found(self, workspace: Workspace) -> None:
        """Undo a blur that is found and can be trusted, quickly; else let the network do what it can."""
        if not seems_blurred(workspace.before("deblurred"), self.networks["deblur"]):
            self._sharpen_unknown(workspace, UNKNOWN)
            return
        known, estimate = self._estimated(workspace, HQS_CSF)
        if estimate.drawback:
            left = replace(known.found, psf=UNKNOWN.psf, method=UNKNOWN.method)
            self._sharpen_unknown(workspace, left, f"; an estimate of it was not used: {estimate.drawback}")
        else:
            self._sharpen(workspace, known)

    def _sharpen_unknown(self, workspace: Workspace, found: DeblurFindings, why: str = "") -> None:
        image = workspace.before("deblurred")
        context = Blend(workspace.options.strength_of(self.name), is_grey(workspace))
        with workspace.new_plane("deblurred", image.shape, "uint16") as target:
            self.networks["deblur"].fill([TileJob({"image": image}, target, context)], blend)
        self._note(workspace, found, why)

    def _sharpen(self, workspace: Workspace, known: Known) -> None:
        image, options = workspace.before("deblurred"), workspace.options
        sigma = _sigma(workspace)
        if known.found.picture is not None:
            sigma = doubted(sigma)
        of_light = known.found.of_light
        method = self._method(workspace, known.found.method, of_light=of_light)
        network = Deconvolution(known.psf, method, of_light=of_light)
        tile_px = max(self.denoiser.tile_px, 4 * (network.descriptor.reach_px or 0))
        # Steps take turns, not tiles, so that others are not kept waiting for all of them.
        runner = replace(self.denoiser, network=network, tile_px=tile_px, turn=nullcontext())
        context = Blend(options.strength_of(self.name), is_grey(workspace))
        with workspace.new_plane("deblurred", image.shape, "uint16") as target:
            planes = {"image": image, "scratch_mask": _damage(workspace)}
            runner.fill([TileJob(planes, target, context, {"sigma": sigma})], blend)
        self._note(workspace, replace(known.found, sigma_255=round(255 * sigma, 2)))

    def _note(self, workspace: Workspace, found: DeblurFindings, why: str = "") -> None:
        workspace.envelope.current = "deblurred"
        workspace.envelope.estimates[self.name] = found
        noise = "" if found.sigma_255 is None else f" (noise {found.sigma_255:.1f} of 255)"
        blur = "an unknown blur" if found.method == NETWORK else found.psf
        workspace.ran(self.name, f"{blur} undone by {found.method}{noise}{why}")

    def _known(self, workspace: Workspace, method: str) -> Known | None:
        """Return the blur that is told or found; None where what was found is poor, and the trace says why."""
        told = workspace.options.psf
        if told is not None and told != ESTIMATE:
            if (blur := Blur.parse(told)) is not None:
                return Known(draw(blur), DeblurFindings(str(blur), method))
            psf = torch.from_numpy(read_psf(told))
            return Known(psf, DeblurFindings(f"picture of {len(psf)}x{len(psf)} px", method))
        known, estimate = self._estimated(workspace, method)
        if not estimate.problem:
            return known
        workspace.envelope.estimates[self.name] = known.found
        workspace.passed(self.name, f"no blur was estimated that can be trusted: {estimate.problem}")
        return None

    def _estimated(self, workspace: Workspace, method: str) -> tuple[Known, Estimate]:
        """Return the blur that is found, as the report tells it, and how far it can be trusted."""
        image, sigma = workspace.before("deblurred"), min(1.0, DOUBT * _sigma(workspace))
        found = find_blur(image, self._denoise_quickly, sigma, self._step(workspace))
        picture = drawn(found.psf.numpy())
        report = DeblurFindings(
            "estimated", method, agreement=found.agreement, of_light=found.of_light, picture=picture
        )
        return Known(found.psf, report), found

    @property
    def denoiser(self) -> Runner[Tensor]:
        """Return the network that is borrowed as prior."""
        return self.networks["denoise"]

    def _denoise_quickly(self, image: Tensor, sigma: Tensor) -> Tensor:
        """Return a picture's noise removed, where the picture lies; what is found in it lies on the CPU."""
        denoised: Tensor = self.networks["denoise_csf"](image, sigma, clamps=False)
        return denoised.to(image.device)

    def _step(self, workspace: Workspace) -> Step:
        """Return what each step enters: it takes a turn, and stops once the request is no longer wanted."""

        @contextmanager
        def step() -> Iterator[None]:
            workspace.require_wanted()
            with self.denoiser.turn:
                yield

        return step

    def _method(self, workspace: Workspace, method: str, *, of_light: bool) -> Method:
        """Return what undoes a known blur, of light or of sRGB values."""
        step = self._step(workspace)

        def denoise(image: Tensor, sigma: Tensor) -> Tensor:
            workspace.require_wanted()
            return self.denoiser(image, sigma, clamps=False)

        if method == HQS_CSF:
            return quick_splitting(matching(self._denoise_quickly, of_light=of_light), step)
        if method == WIENER:
            return Wiener(step)
        if method == RICHARDSON_LUCY:
            return RichardsonLucy(step)
        return HalfQuadraticSplitting(matching(denoise, of_light=of_light), step)


def _is_asked(workspace: Workspace) -> bool:
    """Return whether a blur is to be undone; the reason not to goes into the trace."""
    options = workspace.options
    if not options.may_work("deblur"):
        workspace.passed("deblur", "not asked for")
        return False
    denoised = find(workspace.envelope.estimates, DenoiseFindings)
    if denoised is not None and denoised.psf is not None:
        workspace.passed("deblur", f"undone by {denoised.method}")
        return False
    # Whoever asks for it overrides the judgement of what the picture is.
    return not (findings_of(workspace).one_colour and is_left_alone("deblur", workspace))


def _damage(workspace: Workspace) -> Array:
    """Return what is damaged, (1, H, W), 255 = damaged."""
    mask = workspace.mask()
    if mask is None:
        return np.zeros((1, *workspace.plane("image").shape[1:]), np.uint8)
    return mask if workspace.is_marked else masks.grow(mask.astype(np.uint8, copy=False))


def _sigma(workspace: Workspace) -> float:
    """Return the noise of what is deblurred, in [0, 1], as told or estimated; a JPEG's artefacts count like noise."""
    given, found = workspace.options.sigma_255, findings_of(workspace)
    sigma_255 = math.hypot(found.sigma_255, found.artefacts_255 or 0) if given is None else given
    is_denoised = workspace.name_before("deblurred") != "image"
    return max(LEAST_SIGMA, (LEFT_BY_DENOISING if is_denoised else 1.0) * sigma_255 / 255)


def doubted(sigma: float) -> float:
    """Return the noise to reckon with where the PSF was estimated, of the noise that there is; both in [0, 1]."""
    return min(1.0, max(LEAST_DOUBT, DOUBT * sigma))
