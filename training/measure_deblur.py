"""Measure what the stage `deblur` makes of held-out photographs without being told their blurs.

    python -m training.measure_deblur --data ../shared/data/train --side 440

The middles of the photographs that training of the network leaves out are blurred and get noise of 2 of 255 as in its
validation, or are left as they are. Prints for each kind, by the network alone and by `auto`, the mean gain in dB, or
for sharp ones the mean PSNR, the least, and the mean seconds of processor time of the whole chain. Where a blur lies is
a shift of the picture, which nobody can know: so each picture, the blurred ones too, is moved to where it is most like
the sharp one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from photorestore import pipeline
from photorestore.fidelity import psnr
from photorestore.methods import NETWORK
from photorestore.options import AUTO, Options
from photorestore.stages.deblur.findings import DeblurFindings
from training.config import read_config
from training.data import hold_out, load_photos, middle
from training.degradations.blurs import BLURS, blur_randomly
from training.degradations.noise import gaussian, quantise
from training.train_deblur import MARGIN_PX, Config

CONFIG = Path("training/configs/deblur.fast.toml")
METHODS = (NETWORK, AUTO)
SHARP = "sharp"
FAR_PX = 8
"""How far a picture may be moved; as much of its borders, and a margin for ringing, does not count."""
BORDER_PX = FAR_PX + 4
STEPS = torch.arange(-1, 1.01, 0.25).tolist()
"""Parts of a pixel."""


def measure(loaded: pipeline.Pipeline, photos: Sequence[Tensor], kind: str) -> dict[str, dict[str, float]]:
    """Return by method the mean and the least gain or PSNR (dB), the seconds, and how many estimates were used.

    Args:
        photos: uint8 (3, H, W), with `MARGIN_PX` around what is looked at.
        kind: one of `BLURS`, or `SHARP`.
    """
    rng = torch.Generator().manual_seed(1)
    rows: dict[str, list[tuple[float, float, bool]]] = {method: [] for method in METHODS}
    for photo in photos:
        lq = gt = photo.float() / 255
        if kind != SHARP:
            lq, gt = blur_randomly(gt, MARGIN_PX, BLURS[kind], rng)
            lq = quantise(gaussian(lq, 2 / 255, rng))
        before_db = 0.0 if kind == SHARP else psnr_wherever(lq, gt)
        for method, found in rows.items():
            start = time.process_time()
            image, is_used = deblur(loaded, lq, method)
            took_s = time.process_time() - start
            after_db = psnr(image, gt) if kind == SHARP else psnr_wherever(image, gt)
            found.append((after_db - before_db, took_s, is_used))
    return {method: _summary(found) for method, found in rows.items()}


def deblur(loaded: pipeline.Pipeline, image: Tensor, method: str) -> tuple[Tensor, bool]:
    """Return what comes back of a picture (3, H, W) in [0, 1], and whether an estimate was used."""
    pixels = (image * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    restored = loaded.restore(pixels, Options(stages=("deblur",), deblur_method=method, timeout_s=600))
    found = restored.report.find(DeblurFindings)
    return torch.from_numpy(restored.image).permute(
        2, 0, 1
    ) / 255, found is not None and found.method != NETWORK


def psnr_wherever(image: Tensor, gt: Tensor) -> float:
    """Return the PSNR (dB) of a picture (3, H, W), moved by up to `FAR_PX` to where it is most like another."""
    inner = (..., slice(BORDER_PX, -BORDER_PX), slice(BORDER_PX, -BORDER_PX))
    top, left = _shift(image, gt)
    return max(
        psnr(moved(image, top + down, left + right)[inner].clamp(0, 1), gt[inner])
        for down in STEPS
        for right in STEPS
    )


def moved(image: Tensor, down: float, right: float) -> Tensor:
    """Return a picture (..., H, W) moved by so many pixels; what leaves it on one side comes in again."""
    h, w = image.shape[-2:]
    turns = torch.fft.fftfreq(h)[:, None] * down + torch.fft.rfftfreq(w) * right
    return torch.fft.irfft2(torch.fft.rfft2(image) * torch.exp(-2j * torch.pi * turns), (h, w))


def _shift(image: Tensor, gt: Tensor) -> tuple[int, int]:
    """Return by how many whole pixels, `FAR_PX` at most, a picture is to be moved onto another."""
    spectra = [torch.fft.rfft2(picture.mean(0) - picture.mean()) for picture in (gt, image)]
    match = torch.fft.irfft2(spectra[0] * spectra[1].conj(), image.shape[-2:]).roll((FAR_PX, FAR_PX), (0, 1))
    at = int(match[: 2 * FAR_PX + 1, : 2 * FAR_PX + 1].argmax())
    return at // (2 * FAR_PX + 1) - FAR_PX, at % (2 * FAR_PX + 1) - FAR_PX


def _summary(found: Sequence[tuple[float, float, bool]]) -> dict[str, float]:
    gains_db, seconds, used = zip(*found, strict=True)
    return {"mean_db": fmean(gains_db), "least_db": min(gains_db), "s": fmean(seconds), "used": sum(used)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/train"))
    parser.add_argument(
        "--side", type=int, default=256, help=f"of the middles, {2 * MARGIN_PX} px of which are cut off"
    )
    arguments = parser.parse_args()
    config = read_config(Config, CONFIG)
    folders = [
        load_photos([arguments.data / name], min_side_px=config.patch_px + 2 * MARGIN_PX)
        for name in config.photos
    ]
    held_out, _ = hold_out(folders, config.validation_every)
    photos = [middle(photo, arguments.side) for photo in held_out]
    loaded = pipeline.load()
    for kind in (*BLURS, SHARP):
        for method, found in measure(loaded, photos, kind).items():
            print(kind, method, " ".join(f"{name} {value:.2f}" for name, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
