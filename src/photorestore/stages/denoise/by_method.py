"""Remove noise by the method that a caller chose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import numpy as np
from torch import Tensor

from photorestore.blur_words import Blur
from photorestore.methods import BM3D, CSF, DIP, FIND_IMPULSES, KRIGING, KSVD, L0TV, POISSON_TV
from photorestore.networks.deep_prior import DENOISES
from photorestore.networks.descriptor import Network
from photorestore.networks.runner import Runner
from photorestore.networks.tiling import TileJob, Tiles
from photorestore.pixels.psf import draw
from photorestore.stages.blend import Blend, blend
from photorestore.stages.deep_prior import fitted
from photorestore.stages.denoise.findings import DenoiseFindings
from photorestore.stages.denoise.levels import Level
from photorestore.stages.denoise.methods.block_matching import BlockMatching
from photorestore.stages.denoise.methods.contract import Step
from photorestore.stages.denoise.methods.kriging import Kriging
from photorestore.stages.denoise.methods.ksvd import DictionaryLearning
from photorestore.stages.denoise.methods.l0tv import ImpulseRemoval
from photorestore.stages.denoise.methods.poisson_tv import PoissonTV
from photorestore.stages.networked import Runners
from photorestore.workspace import Array, Workspace

TILE_PX = 512
"""Side of the tiles, so that one fits where caches are, and a request that is cancelled ends soon."""
BAND_PX = 256
LEAST_SIGMA = 1 / 255
"""Least noise that a method is told: rounding to 8 bits is noise, too."""


def remove_noise(workspace: Workspace, networks: Runners, level: Level, context: Blend) -> None:
    """Write the plane `denoised` by the method that the caller chose, and what there is to report of it.

    Args:
        networks: of the stage, by name.
        level: of the noise.
        context: how much of the result is taken.

    Raises:
        UnsupportedOption: the package of the method is not installed.
    """
    image, name = workspace.plane("image"), workspace.options.denoise_method
    sigma = max(LEAST_SIGMA, level.sigma_255 / 255)
    found = _findings(workspace, image, sigma)
    if name == CSF:
        runner: Runner[Tensor] = networks["denoise_csf"]
    elif name == DIP:
        runner = fitted(DENOISES, workspace, "denoise", networks["denoise"])
    else:
        usual = networks["denoise"]
        method = _method(found, _steps(workspace, usual))
        tile_px = max(TILE_PX, 4 * (method.descriptor.reach_px or 0))
        # Steps take turns, not tiles, so that others are not kept waiting for all of them.
        runner = replace(usual, network=method, tile_px=tile_px, turn=nullcontext())

    def finish(pred: Tensor, tiles: Tiles[Blend]) -> Tensor:
        workspace.require_wanted()
        return blend(pred, tiles)

    with workspace.new_plane("denoised", image.shape, "uint16") as target:
        runner.fill([TileJob({"image": image}, target, context, {"sigma": sigma})], finish)
    if name in FIND_IMPULSES:
        found = replace(found, impulses=_mark_impulses(workspace, image))
    workspace.envelope.current = "denoised"
    workspace.envelope.estimates["denoise"] = found
    workspace.ran("denoise", _described(found, level))


def _method(found: DenoiseFindings, step: Step) -> Network[Tensor]:
    """Return what computes.

    Raises:
        UnsupportedOption: its package is not installed.
    """
    if found.method == L0TV:
        return ImpulseRemoval(step)
    if found.method == KRIGING:
        return Kriging(step)
    if found.method == KSVD:
        return DictionaryLearning(step)
    if found.method == BM3D:
        return BlockMatching.installed(step)
    blur = None if found.psf is None else Blur.parse(found.psf)
    return PoissonTV(found.peak or 1.0, None if blur is None else draw(blur), step)


def _findings(workspace: Workspace, image: Array, sigma: float) -> DenoiseFindings:
    """Return what is known before the method works."""
    name = workspace.options.denoise_method
    found = DenoiseFindings(name, None if name in (*FIND_IMPULSES, DIP) else round(255 * sigma, 2))
    if name != POISSON_TV:
        return found
    mean = float(np.mean([band.mean() for band in _bands(image)])) / np.iinfo(image.dtype).max
    blur = None if workspace.options.psf is None else Blur.parse(workspace.options.psf)
    psf = None if blur is None else str(blur)
    return replace(found, peak=round(max(mean, 1 / 255) / sigma**2, 2), psf=psf)


def _steps(workspace: Workspace, network: Runner[Tensor]) -> Step:
    """Return what is entered for each step: it stops once the request is no longer wanted, and takes a turn."""

    @contextmanager
    def step() -> Iterator[None]:
        workspace.require_wanted()
        with network.turn:
            yield

    return step


def _mark_impulses(workspace: Workspace, image: Array) -> float:
    """Write the plane `impulses`, 255 where a pixel was replaced, and return the share of such pixels."""
    result, marked = workspace.plane("denoised"), 0
    factor = np.iinfo(result.dtype).max // np.iinfo(image.dtype).max
    with workspace.new_plane("impulses", (1, *image.shape[1:]), "uint8") as impulses:
        for before, after, band in zip(*map(_bands, (image, result, impulses)), strict=True):
            is_new = (before.astype(np.uint16) * np.uint16(factor) != after).any(0)
            band[0] = is_new * np.uint8(255)
            marked += int(is_new.sum())
    return round(marked / image[0].size, 6)


def _bands(plane: Array) -> Iterator[Array]:
    for top in range(0, plane.shape[1], BAND_PX):
        yield plane[:, top : top + BAND_PX]


def _described(found: DenoiseFindings, level: Level) -> str:
    told = [] if found.sigma_255 is None else [str(level)]
    if found.peak is not None:
        told.append(f"{found.peak:.3g} photons for white")
    if found.psf is not None:
        told.append(f"{found.psf} undone, too")
    if found.impulses is not None:
        told.append(f"{100 * found.impulses:.2f} % of the pixels replaced")
    return f"noise removed by {found.method}" + (f" ({', '.join(told)})" if told else "")
