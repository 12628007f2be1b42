"""Grey photographs coloured: by what was learned, from references that show the same or something else, and baselines.

Protocol: BSD100, which no training saw; each photograph's CIELab lightness, as grey, is coloured at full size and
compared with its own a and b: the root mean square error, and PSNR of a and b with a peak of 255. A related reference
is another crop of the photograph (`SHARES` of its sides), turned by a multiple of 90 degrees, up to `EXPOSURE` stops
brighter or darker; an unrelated one is another photograph of the set. `transfer` is the baseline with a reference;
without one grey, and a transfer from the mean picture: of all photographs of the set, which knows more of them than it
should. How often references are accepted is told, and what errors (of the view) the confidence of colours stands for:
guesses have at most half of the greatest. Colourfulness is that of Hasler and Suesstrunk (2003) in a and b; of the mean
over the set, the share of the originals'.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.pictures import Pixels, read_set
from bench.statistics import paired, pixel_hash, summary
from photorestore.networks.runner import load_runner
from photorestore.pixels.lab import encoded, grey_of, lab_of, linear_of
from photorestore.stages.colorize.carrying import Colours, coloured
from photorestore.stages.colorize.matching import See
from photorestore.stages.colorize.methods import Guess, View, exemplar, learned, transfer
from photorestore.stages.colorize.sight import view_of
from photorestore.stages.colorize.views import sight_of
from photorestore.stages.preprocess.scene import TRUNK

SHARES, EXPOSURE = (0.6, 0.85), 0.7
GREY, MEAN = "grey", "transfer from the mean picture"
LEARNED, UNRELATED = "learned", "exemplar, unrelated reference"
TRANSFER, EXEMPLAR = "transfer", "exemplar"
PEAK = 255.0
L_STEP = 100 / 255
CONFIDENCES = (0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
"""Bounds of the parts of the scale of confidence that errors are told for."""


@dataclass(frozen=True, slots=True)
class Case:
    """A photograph, CIELab (1, 3, H, W), views of it and of references (1, 3, v, u), in CIELab, too."""

    gt: Tensor
    view: Tensor
    related: Tensor
    unrelated: Tensor


class Confident:
    """Errors in a and b of views, counted by the confidence of the colours."""

    def __init__(self) -> None:
        self.pixels, self.squares = np.zeros((2, len(CONFIDENCES) - 1))

    def count(self, found: View, gt: Tensor) -> None:
        """Count a view's pixels; `gt` is its CIELab (1, 3, V, U)."""
        squares = (found.ab - gt[:, 1:]).square().mean(1).flatten().numpy()
        values = (found.confidence - 1e-6).clamp_min(0).flatten().numpy()  # the surest guess is a guess
        self.pixels += np.histogram(values, CONFIDENCES)[0]
        self.squares += np.histogram(values, CONFIDENCES, weights=squares)[0]

    def table(self) -> list[dict[str, float]]:
        """Return the share of the pixels and the error for each part of the scale that has any."""
        return [
            {
                "from": low,
                "to": high,
                "share": round(float(pixels / self.pixels.sum()), 3),
                "rmse_ab": round(float((squares / pixels) ** 0.5), 2),
            }
            for (low, high), pixels, squares in zip(
                pairwise(CONFIDENCES), self.pixels, self.squares, strict=True
            )
            if pixels
        ]


def measure(root: Path, *, tier: str = "fast", every: int = 1) -> dict[str, Any]:
    """Return errors in a and b, colourfulness and lightness by method; `every` takes each n-th photograph only."""
    see, guess = sight_of(load_runner(TRUNK, tier)), load_runner("colorize")
    photos = [pixels for _, pixels in read_set(root, "BSD100")][::every]
    mean = mean_picture(photos)
    errors: dict[str, list[float]] = defaultdict(list)
    colourfulnesses: dict[str, list[float]] = defaultdict(list)
    seconds: dict[str, float] = defaultdict(float)
    confident = {name: Confident() for name in (LEARNED, EXEMPLAR)}
    accepted: dict[str, list[bool]] = defaultdict(list)
    off = []
    for case in cases(photos):
        results = {GREY: torch.cat([case.gt[:, :1], torch.zeros_like(case.gt[:, 1:])], 1)}
        for name, way in ways(case, mean, see, guess).items():
            start = time.process_time()
            with torch.inference_mode():
                found = way()
                results[name] = painted(case.gt, found)
            seconds[name] += time.process_time() - start
            if found.accepted is not None:
                accepted[name].append(found.accepted > 0)
            if name in confident:
                confident[name].count(found, case.view)
        off.append(share_off(results[EXEMPLAR], case.gt))
        for name, lab in results.items():
            errors[name].append(float((lab - case.gt)[:, 1:].square().mean().sqrt()))
            colourfulnesses[name].append(colourfulness(lab))
        colourfulnesses["original"].append(colourfulness(case.gt))
    psnrs = {name: [psnr_ab(rmse) for rmse in values] for name, values in errors.items()}
    megapixels = sum(photo.shape[0] * photo.shape[1] for photo in photos) / 1e6
    original = float(np.mean(colourfulnesses.pop("original")))
    return {
        "set": f"{len(photos)} photographs of BSD100",
        "pixel_sha256": pixel_hash(photos),
        "rmse_ab": {name: summary(values) for name, values in errors.items()},
        "psnr_ab_db": {name: summary(values) for name, values in psnrs.items()},
        "gain_over_db": {ours: paired(psnrs, ours) for ours in (EXEMPLAR, UNRELATED, LEARNED)},
        "colourfulness_share": {
            name: round(float(np.mean(values)) / original, 3) for name, values in colourfulnesses.items()
        },
        "accepted_share": {name: round(float(np.mean(values)), 3) for name, values in accepted.items()},
        "by_confidence": {name: counted.table() for name, counted in confident.items()},
        "lightness_off_share": max(off),
        "seconds_per_megapixel": {name: round(spent / megapixels, 2) for name, spent in seconds.items()},
    }


def ways(case: Case, mean: Tensor, see: See, guess: Guess) -> dict[str, Callable[[], View]]:
    """Return what colours the view of a case, by method."""
    lightness = case.view[:, :1]
    return {
        MEAN: partial(transfer, lightness, mean),
        LEARNED: partial(learned, lightness, see, guess),
        TRANSFER: partial(transfer, lightness, case.related),
        EXEMPLAR: partial(exemplar, lightness, case.related, see, guess),
        UNRELATED: partial(exemplar, lightness, case.unrelated, see, guess),
    }


def cases(photos: list[Pixels]) -> Iterator[Case]:
    """Yield the photographs with their references; the unrelated one is half of the set further on."""
    rng = np.random.default_rng(0)
    for place, pixels in enumerate(photos):
        image, other = (as_image(part) for part in (pixels, photos[(place + len(photos) // 2) % len(photos)]))
        gt = lab_of(image)
        yield Case(gt, view(image), view(another_look(image, rng)), view(other))


def as_image(pixels: Pixels) -> Tensor:
    """Return (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def view(image: Tensor) -> Tensor:
    """Return CIELab of the small view that the methods see."""
    return lab_of(view_of(image))


def another_look(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Return another crop of a photograph, turned, and brighter or darker."""
    _, _, height, width = image.shape
    share = rng.uniform(*SHARES)
    h, w = round(share * height), round(share * width)
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    light = linear_of(image[..., top : top + h, left : left + w]) * 2 ** rng.uniform(-EXPOSURE, EXPOSURE)
    return encoded(light.clamp(0, 1)).rot90(int(rng.integers(4)), (-2, -1))


def mean_picture(photos: list[Pixels]) -> Tensor:
    """Return CIELab, (1, 3, v, u), in which all photographs lie beside one another."""
    return torch.cat([view(as_image(pixels)).flatten(2)[..., ::7] for pixels in photos], -1)[:, :, None]


def painted(gt: Tensor, found: View) -> Tensor:
    """Return CIELab of a photograph's lightness with the colours that were found for its view, in 8 bits."""
    grey = grey_of(gt[:, :1]).expand(-1, 3, -1, -1)
    image = coloured(grey, Colours.of(found.lightness, found.ab), 0, gt.shape[-2], 1.0)
    return lab_of((image * 65535).round() / 65535)


def share_off(lab: Tensor, gt: Tensor) -> float:
    """Return the share of pixels whose lightness is off by more than 1/255 of its range."""
    return float(((lab - gt)[:, 0].abs() > L_STEP).float().mean())


def psnr_ab(rmse: float) -> float:
    """Return PSNR in dB of a and b with a peak of 255."""
    return float(20 * np.log10(PEAK / max(rmse, 1e-6)))


def colourfulness(lab: Tensor) -> float:
    """Return how far colours lie apart and from grey, after Hasler and Suesstrunk."""
    ab = lab[0, 1:].flatten(1)
    return float(ab.var(1).sum().sqrt() + 0.37 * ab.mean(1).norm())
