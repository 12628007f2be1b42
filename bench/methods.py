"""Denoising by the methods that callers choose: impulses, photon noise, shrinkage fields and learned dictionaries.

Protocol: grey pictures of Set12; the middle `CROP_PX` x `CROP_PX` px where methods are slow; noise of a fixed seed per
picture; results clipped; PSNR without border crop; nothing is tuned on these pictures.

Impulses: a share of the pixels is black or white by halves, or has a random value of 8 bits. Beside ours the adaptive
median (Hwang and Haddad 1995; windows of 3 to 19 px), which goes by black and white alone, and so stands with salt and
pepper only; with random values the median of 5 x 5 px. F1 is of the pixels that the noise changed.

Photon noise: counts of a mean of `peak` photons where the picture is white, divided by the peak, neither clipped nor
quantised, with and without a Gaussian blur of 1.2 px, on each second picture. All are told peak and blur; the network
is told the noise's mean level, and no blur, so that it stands without one only. Plain total variation has the same
data term and solver as ours, with the best of `PLAIN_WEIGHTS` on these pictures, in its favour.

Shrinkage fields: BSD68 in grey and Set12's House, Gaussian noise, neither clipped nor quantised, told sigma.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import median_filter
from torch import Tensor

from bench.blind import score
from bench.grey import to_grey
from bench.pictures import Floats, Pixels, add_gaussian, as_floats, read_set
from bench.statistics import paired, pixel_hash, summary
from photorestore.blur_words import Blur
from photorestore.networks.descriptor import Network
from photorestore.networks.runner import Runner, load_runner
from photorestore.networks.weights import load_network
from photorestore.pixels.psf import draw
from photorestore.stages.denoise.methods.kriging import Kriging
from photorestore.stages.denoise.methods.ksvd import DictionaryLearning
from photorestore.stages.denoise.methods.l0tv import ImpulseRemoval
from photorestore.stages.denoise.methods.poisson_tv import PoissonTV

CROP_PX = 128
PHOTONS_EVERY = 2
SALTED, RANDOM = (0.1, 0.3, 0.5, 0.7, 0.9), (0.1, 0.3, 0.5)
PEAKS = (255, 55, 25, 5, 1)
BLUR = "gaussian:1.2"
PLAIN_WEIGHTS = (0.5, 0.8, 1.1, 1.5)
SIGMAS_255 = (15, 25, 50)
PUBLISHED_FIELDS = {"CSF, 5 stages, 7x7": {"25": 28.74}, "BM3D": {"25": 28.57}}
PUBLISHED_HOUSE = {"K-SVD": 32.15}
"""PSNR in dB, from the papers; told sigma."""
L0TV, KRIGING, OURS, NETWORK = "l0tv", "kriging", "poisson-tv", "network"
PLAIN, SALT_AND_PEPPER = "plain total variation", "salt and pepper"


def measure(root: Path, *, tier: str = "fast", every: int = 1) -> dict[str, Any]:
    """Return the figures of all three parts; `every` takes only each n-th picture."""
    photos = [to_grey(pixels) for _, pixels in read_set(root, "Set12")][::every]
    middles = [middle(photo) for photo in photos]
    return {
        "set": f"Set12, {len(photos)} pictures",
        "crop_px": CROP_PX,
        "impulses": impulses(middles),
        "photons": photons(middles[::PHOTONS_EVERY], tier),
        "gaussian": gaussian(root, every),
    }


def middle(pixels: Pixels) -> Pixels:
    """Cut the middle square out of (H, W)."""
    top, left = ((side - CROP_PX) // 2 for side in pixels.shape)
    return pixels[top : top + CROP_PX, left : left + CROP_PX]


def run(method: Network[Tensor], noisy: Floats, sigma: float = 0.0) -> Floats:
    """Return what a method makes of a grey picture (H, W)."""
    image = torch.from_numpy(noisy)[None, None].expand(1, 3, -1, -1)
    with torch.inference_mode():
        return method(image, torch.tensor([sigma]))[0, 0].numpy()


Scores = dict[str, float]
Trial = Callable[[Pixels, int], tuple[Pixels | Floats, Scores]]
"""Adds noise of a seed to a picture (H, W), and returns the noisy one and figures by name."""


def tried(photos: list[Pixels], trial: Trial) -> tuple[list[Pixels | Floats], dict[str, list[float]]]:
    """Return what a trial gives for each picture, its number as seed: the noisy ones, and the figures by name."""
    noisy, scores = zip(*(trial(pixels, seed) for seed, pixels in enumerate(photos)), strict=True)
    return list(noisy), {name: [one[name] for one in scores] for name in scores[0]}


def impulses(photos: list[Pixels]) -> dict[str, Any]:
    """Return PSNR and F1 by kind and density of the impulses."""
    found: dict[str, Any] = {}
    hashed: list[Pixels | Floats] = []
    for kind, densities in ((SALT_AND_PEPPER, SALTED), ("random values", RANDOM)):
        for density in densities:
            noisy, figures = tried(photos, partial(_with_impulses_removed, density, kind))
            hashed += noisy
            f1 = {name: np.mean(figures.pop(f"F1 of {name}")) for name in (L0TV, KRIGING)}
            found[f"{kind}, {100 * density:.0f} %"] = {
                "psnr_db": {name: summary(values) for name, values in figures.items()},
                "f1": {name: round(float(mean), 4) for name, mean in f1.items()},
                "gain_over_db": paired(figures, L0TV),
            }
    return {"pixel_sha256": pixel_hash(hashed), "noise": found}


def _with_impulses_removed(density: float, kind: str, pixels: Pixels, seed: int) -> tuple[Pixels, Scores]:
    noisy = with_impulses(pixels, density, kind, seed)
    if kind == SALT_AND_PEPPER:
        scores = {"adaptive median": score(as_floats(adaptive_median(noisy)), pixels)}
    else:
        scores = {"median of 5 x 5 px": score(as_floats(median_filter(noisy, 5)), pixels)}
    for name, method in ((L0TV, ImpulseRemoval()), (KRIGING, Kriging())):
        result = run(method, as_floats(noisy))
        scores[name] = score(result, pixels)
        scores[f"F1 of {name}"] = agreement(result != as_floats(noisy), noisy != pixels)
    return noisy, scores


def with_impulses(pixels: Pixels, density: float, kind: str, seed: int) -> Pixels:
    """Replace a share of (H, W) by black and white, or by random values."""
    rng = np.random.default_rng(seed)
    drawn = rng.random(pixels.shape)
    other = rng.integers(0, 256, pixels.shape) if kind == "random values" else 255 * (drawn < density / 2)
    return np.where(drawn < density, other, pixels).astype(np.uint8)


def agreement(found: np.ndarray, true: np.ndarray) -> float:
    """Return the F1 of a mask."""
    return float(2 * (found & true).sum() / max(1, found.sum() + true.sum()))


def adaptive_median(noisy: Pixels, largest_px: int = 19) -> Pixels:
    """Replace black and white pixels (H, W) by the median of the smallest window whose median is neither."""
    result, waiting = noisy.copy(), (noisy == 0) | (noisy == 255)
    for side in range(3, largest_px + 1, 2):
        windows = sliding_window_view(np.pad(noisy, side // 2, mode="symmetric"), (side, side))
        rows, columns = np.nonzero(waiting)
        if not len(rows):
            break
        around = windows[rows, columns].reshape(len(rows), -1)
        medians = np.median(around, 1)
        is_usable = (around.min(1) < medians) & (medians < around.max(1))
        result[rows[is_usable], columns[is_usable]] = medians[is_usable]
        waiting[rows[is_usable], columns[is_usable]] = False
    return result


def photons(photos: list[Pixels], tier: str) -> dict[str, Any]:
    """Return PSNR by peak, with and without blur."""
    network: Runner[Tensor] = load_runner("denoise", tier)
    told = Blur.parse(BLUR)
    assert told is not None
    found: dict[str, Any] = {}
    hashed: list[Pixels | Floats] = []
    for words, psf in (("no blur", None), (BLUR, draw(told))):
        for peak in PEAKS:
            noisy, scores = tried(photos, partial(_with_photons_removed, network, peak, psf))
            hashed += noisy
            plain = {weight: scores.pop(f"{PLAIN}, {weight}") for weight in PLAIN_WEIGHTS}
            best = max(plain, key=lambda weight: np.mean(plain[weight]))
            scores[PLAIN] = plain[best]
            found[f"{words}, peak {peak}"] = {
                "psnr_db": {name: summary(values) for name, values in scores.items()},
                "plain_weight": best,
                "gain_over_db": paired(scores, OURS),
            }
    return {"pixel_sha256": pixel_hash(hashed), "noise": found}


def _with_photons_removed(
    network: Runner[Tensor], peak: float, psf: Tensor | None, pixels: Pixels, seed: int
) -> tuple[Floats, Scores]:
    noisy = with_photons(pixels, peak, psf, seed)
    scores = {"noisy input": score(noisy, pixels), OURS: score(run(PoissonTV(peak, psf), noisy), pixels)}
    for weight in PLAIN_WEIGHTS:
        plain = PoissonTV(peak, psf, weights=(weight, 0.0), group_px=1)
        scores[f"{PLAIN}, {weight}"] = score(run(plain, noisy), pixels)
    if psf is None:
        level = torch.tensor([float(np.sqrt(as_floats(pixels).mean() / peak))]).clamp_max(1)
        image = torch.from_numpy(noisy.clip(-1, 2))[None, None].expand(1, 3, -1, -1)
        scores[NETWORK] = score(network(image, level)[0].mean(0).numpy(), pixels)
    return noisy, scores


def with_photons(pixels: Pixels, peak: float, psf: Tensor | None, seed: int) -> Floats:
    """Count photons of (H, W), mirrored beyond the borders where it is blurred first; in [0, 1] units."""
    light = torch.from_numpy(as_floats(pixels))[None, None]
    if psf is not None:
        radius = len(psf) // 2
        around = torch.nn.functional.pad(light, (radius,) * 4, mode="reflect")
        light = torch.nn.functional.conv2d(around, psf.flip(0, 1)[None, None])
    counts = torch.poisson(light * peak, generator=torch.Generator().manual_seed(seed))
    return (counts / peak)[0, 0].numpy()


def gaussian(root: Path, every: int) -> dict[str, Any]:
    """Return PSNR of shrinkage fields on BSD68, of learned dictionaries on House, and seconds per megapixel."""
    fields: Runner[Tensor] = load_runner("denoise_csf")
    photos = [to_grey(pixels) for _, pixels in read_set(root, "BSD100/cbsd68")][::every]
    levels, spent, megapixels = {}, 0.0, 0.0
    for sigma_255 in SIGMAS_255:
        scores = []
        for index, pixels in enumerate(photos):
            noisy = add_gaussian(pixels, sigma_255, seed=index)
            start = time.process_time()
            scores.append(score(run(fields, noisy, sigma_255 / 255), pixels))
            spent += time.process_time() - start
            megapixels += pixels.size / 1e6
        levels[str(sigma_255)] = summary(scores)
    house = to_grey(dict(read_set(root, "Set12"))["02"])
    start = time.process_time()
    denoised = score(run(DictionaryLearning(), add_gaussian(house, 25, seed=0), 25 / 255), house)
    return {
        "set": f"BSD68, {len(photos)} pictures",
        "psnr_db": levels,
        "published_psnr_db": PUBLISHED_FIELDS,
        "parameters": _parameters(),
        "seconds_per_megapixel": round(spent / megapixels, 2),
        "house_db": round(denoised, 2),
        "house_published_db": PUBLISHED_HOUSE,
        "house_seconds_per_megapixel": round((time.process_time() - start) / house.size * 1e6, 1),
    }


def _parameters() -> int:
    """Return how many weights the cascade has."""
    return sum(value.numel() for value in load_network("denoise_csf").parameters())
