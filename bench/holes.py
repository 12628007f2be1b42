"""Measure the filling of what a caller marks: fixed holes in clean photographs, beside the classical methods.

| class | what is marked |
|---|---|
| thin | wavering strokes 3 to 7 px wide across the picture, some 4 % of it |
| blobs | round patches of 8 to 30 px radius, some 8 % |
| boxes | upright boxes of 16 to 64 px a side, some 8 % |
| quarter | one box of half the width and half the height |

The marked pixels hold one colour of the picture's own, drawn at random, so nothing of them is left to see. PSNR is
measured inside the holes; outside, every pixel must come back as it was.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw

from bench import baselines
from bench.pictures import Pixels, read_set
from bench.statistics import paired, pixel_hash, summary
from photorestore.fidelity import psnr
from photorestore.options import Options
from photorestore.pipeline import Pipeline

SETS = ("Set14", "BSD100")
EVERY = 4
"""Every fourth picture is measured."""
BASELINES = {"Telea": baselines.telea, "Navier-Stokes": baselines.navier_stokes}
Draw = Callable[[ImageDraw.ImageDraw, tuple[int, int], np.random.Generator], None]


def measure(
    root: Path, pipeline: Pipeline, *, every: int = EVERY, pictures: Path | None = None
) -> dict[str, Any]:
    """Return PSNR (dB) inside the holes, by class and method.

    Args:
        root: the folder of the bench pictures.
        every: take only each n-th picture.
        pictures: where to write some results beside what was given; by default nowhere.

    Raises:
        RuntimeError: a pixel outside a mask has changed.
    """
    photos = [item for name in SETS for item in read_set(root, name)][::every]
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    given: list[Pixels] = []
    for index, (name, gt) in enumerate(photos):
        for number, (kind, draw) in enumerate(CLASSES.items()):
            rng = np.random.default_rng(1000 * index + number)
            mask = draw_mask(draw, gt.shape[:2], rng)
            lq = with_holes(gt, mask, rng)
            given.append(lq)
            ours = pipeline.restore(lq, Options(format="png", timeout_s=600), mask=mask).image
            if not np.array_equal(ours[mask == 0], lq[mask == 0]):
                raise RuntimeError(f"{name}, {kind}: pixels outside the mask have changed")
            results = {"ours": ours} | {method: fill(lq, mask) for method, fill in BASELINES.items()}
            for method, filled in results.items():
                scores[kind][method].append(_psnr_inside(filled, gt, mask))
            if pictures and index % 8 == 0:
                pictures.mkdir(parents=True, exist_ok=True)
                row = Image.fromarray(np.concatenate([lq, *results.values()], axis=1))
                row.save(pictures / f"{name}_{kind}.png")
    return {
        "set": f"{len(photos)} pictures of {' and '.join(SETS)}",
        "pixel_sha256": pixel_hash(given),
        "psnr_inside_db": {
            kind: {method: summary(values) for method, values in methods.items()}
            for kind, methods in scores.items()
        },
        "gain_over_db": {kind: paired(methods, "ours") for kind, methods in scores.items()},
    }


def draw_mask(draw: Draw, shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw a mask (H, W), 255 = hole."""
    h, w = shape
    image = Image.new("L", (w, h))
    draw(ImageDraw.Draw(image), (h, w), rng)
    return np.asarray(image)


def with_holes(gt: Pixels, mask: npt.NDArray[np.uint8], rng: np.random.Generator) -> Pixels:
    """Fill all holes of the photograph with one of its colours."""
    colour = gt[rng.integers(gt.shape[0]), rng.integers(gt.shape[1])]
    return np.where(mask[..., None] > 0, colour, gt)


def _thin(draw: ImageDraw.ImageDraw, shape: tuple[int, int], rng: np.random.Generator) -> None:
    h, w = shape
    length = math.hypot(h, w)
    for _ in range(round(0.04 * h * w / (5 * length)) + 1):
        turn, middle = rng.uniform(0, math.pi), rng.uniform((0, 0), (w, h))
        along = np.linspace(-length / 2, length / 2, 40)
        across = rng.normal(0, 2, 40).cumsum()
        x = middle[0] + along * math.cos(turn) - across * math.sin(turn)
        y = middle[1] + along * math.sin(turn) + across * math.cos(turn)
        points = list(zip(x.tolist(), y.tolist(), strict=True))
        draw.line(points, fill=255, width=int(rng.integers(3, 8)), joint="curve")


def _blobs(draw: ImageDraw.ImageDraw, shape: tuple[int, int], rng: np.random.Generator) -> None:
    h, w = shape
    for _ in range(round(0.08 * h * w / (math.pi * 19**2)) + 1):
        x, y, radius = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(8, 30)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)


def _boxes(draw: ImageDraw.ImageDraw, shape: tuple[int, int], rng: np.random.Generator) -> None:
    h, w = shape
    for _ in range(round(0.08 * h * w / 40**2) + 1):
        x, y = rng.uniform(0, w), rng.uniform(0, h)
        across, down = rng.uniform(16, 64, 2)
        draw.rectangle((x, y, x + across, y + down), fill=255)


def _quarter(draw: ImageDraw.ImageDraw, shape: tuple[int, int], rng: np.random.Generator) -> None:
    h, w = shape
    x, y = int(rng.integers(0, w // 2)), int(rng.integers(0, h // 2))
    draw.rectangle((x, y, x + w // 2 - 1, y + h // 2 - 1), fill=255)


CLASSES: dict[str, Draw] = {"thin": _thin, "blobs": _blobs, "boxes": _boxes, "quarter": _quarter}


def _psnr_inside(filled: npt.NDArray[Any], gt: Pixels, mask: npt.NDArray[np.uint8]) -> float:
    pred, target = (torch.from_numpy(np.array(pixels)) / 255.0 for pixels in (filled, gt))
    return psnr(pred, target, mask=torch.from_numpy(mask > 0)[..., None])
