"""Train the network that undoes blurs which nobody knows.

    make train-deblur                        # configs/deblur.fast.toml
    python -m training.train_deblur --minutes 100 --threads 1

Photographs are blurred by camera shake, motion, defocus or a soft scan, mostly in linear light, and get noise and JPEG
artefacts; the target is sharp and clean. Nearly a third of the samples are not blurred, and their target is what went
in, noise and artefacts included: sharp photographs must come back as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from photorestore.fidelity import psnr
from photorestore.networks.runner import Runner
from photorestore.stages.deblur.network import DeblurUNet
from training.config import RunConfig, read_config
from training.data import hold_out, load_photos, middle, scaled_patch
from training.degradations.blurs import BLURS, blur_randomly
from training.degradations.noise import gaussian, jpeg, quantise
from training.losses import psnr as psnr_loss
from training.muon import MuonAdamW
from training.place import Place, command_line, place_of
from training.randomness import chance, randint, uniform, weighted_index
from training.run import Run

MARGIN_PX = 20
"""Most that a PSF reaches."""
SHARP_SHARE = 0.3
SHARES = {"shake": 0.4, "motion": 0.15, "defocus": 0.3, "softness": 0.15}
"""Of the blurs, in that order."""
SHRUNK = (1.0, 2.0)
"""Photographs are shrunk by up to that, which makes them sharper than cameras leave them."""
GREY_SHARE = 0.35
NOISY_SHARE, MOST_SIGMA_255 = 0.7, 8.0
JPEG_SHARE, QUALITIES = 0.4, (60, 98)
FAINT_DB = (30.0, 48.0)
"""A sample's error need hardly fall below that, at the start and at the end: were the last asked for from the start,
sharp samples would hold the network at the identity, where it begins."""
VIEW_PX = 256
"""Sides of the middle of a held-out photograph that is looked at."""


@dataclass(frozen=True, slots=True)
class Config(RunConfig):
    """One training run."""

    widths: tuple[int, int, int]  # channels at stride 2, 4, 8
    depths: tuple[int, int, int]  # residual blocks at these strides
    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    validation_every: int  # every n-th photograph of a folder is held out
    patch_px: int
    evaluate_every: int  # steps


def stored(image: Tensor, rng: torch.Generator) -> Tensor:
    """Return a picture (3 or 1 channels) as it is found: with noise, in 8 bits, often as a JPEG; 3 channels."""
    if chance(NOISY_SHARE, rng):
        image = gaussian(image, MOST_SIGMA_255 / 255 * uniform(0, 1, rng) ** 2, rng)
    image = image.expand(3, -1, -1)
    if chance(JPEG_SHARE, rng):
        return jpeg(image, randint(*QUALITIES, rng), subsample=chance(0.5, rng))
    return quantise(image)


def make_sample(photos: Sequence[Tensor], config: Config, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return (lq, gt)."""
    sharp = scaled_patch(photos, config.patch_px + 2 * MARGIN_PX, SHRUNK, rng)
    if chance(GREY_SHARE, rng):
        sharp = sharp.mean(0, keepdim=True)
    if chance(SHARP_SHARE, rng):
        lq = stored(sharp[:, MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX], rng)
        return lq, lq
    blur = list(SHARES)[weighted_index(list(SHARES.values()), rng)]
    lq, gt = blur_randomly(sharp, MARGIN_PX, BLURS[blur], rng)
    return stored(lq, rng), gt.expand(3, -1, -1)


def evaluate(deblur: Runner[Tensor], photos: Sequence[Tensor]) -> dict[str, float]:
    """Return the mean gain (dB) over the blurred input by blur, and the PSNR (dB) of what sharp photographs become."""
    scores = {}
    for blur, make_psf in BLURS.items():
        rng, total = torch.Generator().manual_seed(1), 0.0
        for photo in photos:
            lq, gt = blur_randomly(photo.float() / 255, MARGIN_PX, make_psf, rng)
            lq = quantise(gaussian(lq, 2 / 255, rng))
            total += psnr(deblur(lq[None])[0], gt) - psnr(lq, gt)
        scores[f"{blur}_gain_db"] = total / len(photos)
    sharp = [photo.float() / 255 for photo in photos]
    kept = [psnr(deblur(photo[None])[0], photo) for photo in sharp]
    return scores | {"sharp_db": sum(kept) / len(kept), "least_sharp_db": min(kept)}


def train(config: Config, place: Place) -> DeblurUNet:
    """Train the network, write its weights, and return it."""
    place.prepare()

    # 1. Photographs; a part is kept for validation.
    least_px = config.patch_px + 2 * MARGIN_PX
    folders = [load_photos([place.data / name], min_side_px=least_px) for name in config.photos]
    held_out, kept = hold_out(folders, config.validation_every)
    photos = [photo for folder in kept for photo in folder]
    held_out = [middle(photo, VIEW_PX) for photo in held_out]

    # 2. Network and optimiser.
    torch.manual_seed(config.seed)
    network = place.take(DeblurUNet(config.widths, config.depths))
    optimiser = MuonAdamW(network, config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
    run = Run("deblur", place, config, network, optimiser)
    samples = run.samples(partial(make_sample, photos, config))

    # 3. The loop.
    for progress in run.progress():
        lq, gt = next(samples)
        with place.autocast():
            pred = network(lq.contiguous(memory_format=torch.channels_last))
        faint_db = FAINT_DB[0] + (FAINT_DB[1] - FAINT_DB[0]) * progress
        run.learn(psnr_loss(pred, gt, progress, faint=10 ** (-faint_db / 10)), progress)
        if run.step % config.evaluate_every == 0:
            run.record(evaluate(place.runner(run.averaged()), held_out))

    # 4. The averaged weights.
    trained = run.averaged()
    run.finish(
        trained,
        evaluate(place.runner(trained), held_out),
        architecture={"widths": config.widths, "depths": config.depths},
        data="BSDS400, CC0/CC-BY photographs, OSIE, SUN-Hays",
        licence="BSDS500: academic use; see docs/models/deblur.md",
    )
    return trained


def main() -> None:
    arguments = command_line("deblur", __doc__, "workers").parse_args()
    train(read_config(Config, arguments.config), place_of(arguments))


if __name__ == "__main__":
    main()
