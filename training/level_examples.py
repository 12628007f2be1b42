"""Degraded pictures with the truth beside them: JPEGs, noise, grain, paper, real camera noise."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from photorestore.stages.preprocess.estimates import estimate
from photorestore.stages.preprocess.findings import Estimates
from training.degradations.noise import film_grain
from training.degradations.surfaces import embossed, grain, woven_paper

Pixels = npt.NDArray[np.uint8]


FOLDERS = ("photos_a/hr", "photos_a/bsds400", "photos_b/osie", "photos_b/sunhays80")
PAIRS = "domain/polyu_pairs"
SIGMAS_255 = (12, 25)
PEAKS = (60,)
GRAIN_255 = 15
GRAIN_PX = (0.5, 1.0)
SURFACE_255 = 14
WIDTHS_PX, PERIOD_PX = (2.0, 4.0), 6.0


@dataclass(frozen=True, slots=True)
class Example:
    """A degraded picture (H, W, 3), what it was, and what is estimated."""

    kind: str
    lq: Pixels
    gt: Pixels
    found: Estimates
    is_grainy: bool = False

    @property
    def true_255(self) -> float:
        """Standard deviation of the difference in 8-bit units."""
        return float(np.sqrt(np.square(self.lq - self.gt.astype(np.float32)).mean()))


def read_crops(data: Path, per_folder: int, side_px: int) -> list[Image.Image]:
    """Read the middle of some photographs of each folder, shrunk by half."""
    crops = []
    for name in FOLDERS:
        files = sorted(file for file in (data / name).rglob("*") if file.suffix.lower() in (".jpg", ".png"))
        for file in files[:: max(1, len(files) // per_folder)][:per_folder]:
            with Image.open(file) as picture:
                photo = picture.convert("RGB")
            left, top = ((side - 2 * side_px) // 2 for side in photo.size)
            if min(left, top) >= 0:
                photo = photo.crop((left, top, left + 2 * side_px, top + 2 * side_px))
                crops.append(photo.resize((side_px, side_px), Image.Resampling.BOX))
    return crops


def variants(photo: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """Yield the photograph in grey and in colour."""
    yield from (("grey", photo.convert("L")), ("colour", photo))


def jpeg_example(kind: str, photo: Image.Image, quality: int) -> Example:
    """Store a photograph of mode `L` or `RGB` as a JPEG (4:2:0)."""
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=quality, **({"subsampling": 2} if photo.mode == "RGB" else {}))
    with Image.open(buffer) as stored:
        return _example(kind, _pixels(stored), _pixels(photo), stored.quantization[0])  # type: ignore[attr-defined]


def make_noisy(photos: Sequence[Image.Image]) -> Iterator[Example]:
    """Add Gaussian noise, photon noise and film grain, clipped and rounded."""
    rng = np.random.default_rng(1)
    for photo in photos:
        for colours, picture in variants(photo):
            gt = np.atleast_3d(np.asarray(picture)).astype(np.float32)
            noisy: dict[str, npt.NDArray[np.floating]] = {
                f"Gaussian {sigma}": gt + sigma * rng.standard_normal(gt.shape) for sigma in SIGMAS_255
            }
            noisy |= {f"Poisson {peak}": rng.poisson(gt / 255 * peak) / peak * 255 for peak in PEAKS}
            noisy |= {f"grain of {size} px": _with_grain(gt, size, rng) for size in GRAIN_PX}
            for kind, values in noisy.items():
                lq = np.repeat(values.clip(0, 255).round().astype(np.uint8), 3 // gt.shape[2], 2)
                example = _example(f"{kind}, {colours}", lq, _pixels(picture))
                yield replace(example, is_grainy=kind.startswith("grain"))


def make_surfaces(photos: Sequence[Image.Image]) -> Iterator[Example]:
    """Add coarse grain and embossed paper in 8 bits, as in pictures that were judged noisy."""
    rng = torch.Generator().manual_seed(2)
    for photo in photos:
        for colours, picture in variants(photo):
            gt = torch.from_numpy(_pixels(picture).copy()).permute(2, 0, 1) / 255
            paper = woven_paper(gt.shape[-2:], PERIOD_PX, rng)
            drawn = {f"grain {size} px": grain(gt, SURFACE_255 / 255, size, rng) for size in WIDTHS_PX}
            drawn["woven paper"] = embossed(gt, SURFACE_255 / 255, paper, rng)
            for kind, image in drawn.items():
                lq = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
                example = _example(f"{kind}, {colours}", lq, _pixels(picture))
                yield replace(example, is_grainy=True)


def _with_grain(
    gt: npt.NDArray[np.float32], size_px: float, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return (H, W, C) of 0 to 255 under grain of `GRAIN_255`."""
    draw = torch.Generator().manual_seed(int(rng.integers(2**31)))
    image = torch.from_numpy(gt).permute(2, 0, 1) / 255
    return film_grain(image, GRAIN_255 / 255, size_px, draw).permute(1, 2, 0).numpy() * 255


def read_pairs(data: Path, every: int, side_px: int) -> Iterator[Example]:
    """Read the middle of real noisy pictures."""
    for file in sorted((data / PAIRS).glob("*_real.*"))[::every]:
        with Image.open(file) as picture:
            lq, table = _pixels(picture), picture.quantization[0]  # type: ignore[attr-defined]
        with Image.open(file.with_name(file.name.replace("_real", "_mean"))) as picture:
            gt = _pixels(picture)
        top, left = ((side - side_px) // 2 for side in lq.shape[:2])
        window = (slice(top, top + side_px), slice(left, left + side_px))
        yield _example("real", lq[window], gt[window], table)


def _pixels(picture: Image.Image) -> Pixels:
    return np.asarray(picture.convert("RGB"))


def _example(kind: str, lq: Pixels, gt: Pixels, table: Sequence[int] | None = None) -> Example:
    return Example(kind, lq, gt, estimate(np.ascontiguousarray(lq.transpose(2, 0, 1)), table))
