"""Train the network that demosaicks raw files.

    python -m training.train_preprocess_demosaic --minutes 60 --threads 1

Photographs are taken apart as a sensor sees them: by Bayer's pattern in its four phases, by Fuji's X-Trans wherever its
period may begin, turned and mirrored, and by periodic patterns at random. Many are given the paler colours and the
exposure of a camera's own channels first. Noise is Gaussian on encoded values; half of the samples have little or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from photorestore.fidelity import psnr
from photorestore.networks.runner import Runner
from photorestore.pixels.lab import encoded, linear_of
from photorestore.stages.preprocess.demosaic_network import Demosaicker, pattern_planes
from training.config import RunConfig, read_config
from training.data import hold_out, load_photos, middle, scaled_patch
from training.losses import psnr as psnr_loss
from training.muon import MuonAdamW
from training.place import Place, command_line, place_of
from training.randomness import chance, randint, uniform, weighted_index
from training.run import Run

BAYER = ("RG", "GB")
XTRANS = ("GGRGGB", "GGBGGR", "BRGRBG", "GGBGGR", "GGRGGB", "RBGBRG")
PATTERNS = {"bayer": 0.5, "xtrans": 0.35, "other": 0.15}
"""Shares of the samples."""
QUAD_SHARE = 0.4
"""Of the other patterns: each place of Bayer's pattern is a square of four pixels."""
LONGEST_PERIOD_PX = 6
SHRUNK = (1.0, 2.2)
"""Photographs are shrunk by up to that, which makes them sharper than their JPEGs are."""
CAMERA_SHARE, MOST_MIXED = 0.6, 0.35
"""Samples in a camera's colours, and how much of a channel may come from each of the others."""
EXPOSURES = (0.3, 1.3)
CLEAN_SHARE = 0.4
FAINT = 1e-5
"""Squared error below which a sample asks for little: a PSNR of 50 dB."""
VIEW_PX = 256
"""Sides of the middle of a held-out photograph that is looked at."""


@dataclass(frozen=True, slots=True)
class Config(RunConfig):
    """One training run."""

    width: int  # channels of the denoiser
    depth: int  # its residual blocks
    iterations: int
    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    validation_every: int  # every n-th photograph of a folder is held out
    patch_px: int
    max_sigma_255: float
    evaluate_every: int  # steps


def camera_colours(image: Tensor, rng: torch.Generator) -> Tensor:
    """Return a picture (3, H, W) as the channels of a camera might show it: mixed in linear light, grey stays grey."""
    mixed = MOST_MIXED * torch.rand((3, 3), generator=rng) * (1 - torch.eye(3))
    matrix = mixed + torch.diag(1 - mixed.sum(1))
    light = torch.einsum("ij,jhw->ihw", matrix, linear_of(image))
    return encoded((light * uniform(*EXPOSURES, rng)).clamp(0, 1))


def random_pattern(size_px: int, rng: torch.Generator) -> Tensor:
    """Draw the colours that a sensor's pixels measure: (3, size_px, size_px)."""
    kind = list(PATTERNS)[weighted_index(list(PATTERNS.values()), rng)]
    rows: Sequence[str] = XTRANS if kind == "xtrans" else BAYER
    if kind == "other":
        rows = ("RRGG", "RRGG", "GGBB", "GGBB") if chance(QUAD_SHARE, rng) else _random_period(rng)
    top, left = (randint(0, LONGEST_PERIOD_PX, rng) for _ in range(2))
    planes = pattern_planes(rows, size_px, size_px, top, left)
    return planes.mT if chance(0.5, rng) else planes


def _random_period(rng: torch.Generator) -> list[str]:
    """Draw a period with every colour, half of it green."""
    while True:
        h, w = (randint(2, LONGEST_PERIOD_PX + 1, rng) for _ in range(2))
        rows = ["".join("RGGB"[randint(0, 4, rng)] for _ in range(w)) for _ in range(h)]
        if {"R", "G", "B"} <= set("".join(rows)):
            return rows


def make_sample(photos: Sequence[Tensor], config: Config, rng: torch.Generator) -> tuple[Tensor, ...]:
    """Return (mosaic, pattern, sigma, gt)."""
    gt = scaled_patch(photos, config.patch_px, SHRUNK, rng)
    if chance(CAMERA_SHARE, rng):
        gt = camera_colours(gt, rng)
    sigma = 0.0 if chance(CLEAN_SHARE, rng) else config.max_sigma_255 / 255 * uniform(0, 1, rng) ** 1.5
    pattern = random_pattern(config.patch_px, rng)
    return taken(gt, pattern, sigma, rng), pattern, torch.tensor(sigma), gt


def taken(gt: Tensor, pattern: Tensor, sigma: float, rng: torch.Generator) -> Tensor:
    """Return the mosaic (1, H, W) that a sensor makes of a picture (3, H, W), clipped to [0, 1]."""
    mosaic = (gt * pattern).sum(0, keepdim=True)
    return (mosaic + sigma * torch.randn(mosaic.shape, generator=rng)).clamp(0, 1)


def evaluate(demosaic: Runner[Tensor], photos: Sequence[Tensor]) -> dict[str, float]:
    """Return the mean PSNR (dB) over held-out photographs, by pattern, without and with noise."""
    scores = {}
    for name, rows in (("bayer", BAYER), ("xtrans", XTRANS)):
        for sigma_255 in (0, 10):
            rng, total = torch.Generator().manual_seed(1), 0.0
            for photo in photos:
                gt = photo.float() / 255
                pattern = pattern_planes(rows, *gt.shape[-2:])
                mosaic = taken(gt, pattern, sigma_255 / 255, rng)
                pred = demosaic(mosaic[None], pattern[None], torch.tensor([sigma_255 / 255]))
                total += psnr(pred[0], gt)
            scores[f"{name}_{sigma_255}_db"] = total / len(photos)
    return scores


def train(config: Config, place: Place) -> Demosaicker:
    """Train the network, write its weights, and return it."""
    place.prepare()

    # 1. Photographs; a part is kept for validation.
    folders = [load_photos([place.data / name], min_side_px=config.patch_px) for name in config.photos]
    held_out, kept = hold_out(folders, config.validation_every)
    photos = [photo for folder in kept for photo in folder]
    held_out = [middle(photo, VIEW_PX) for photo in held_out]

    # 2. Network and optimiser.
    torch.manual_seed(config.seed)
    network = place.take(Demosaicker(config.width, config.depth, config.iterations))
    optimiser = MuonAdamW(network, config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
    run = Run("preprocess_demosaic", place, config, network, optimiser)
    samples = run.samples(partial(make_sample, photos, config))

    # 3. The loop.
    for progress in run.progress():
        mosaic, pattern, sigma, gt = next(samples)
        with place.autocast():
            pred = network(mosaic, pattern, sigma)
        run.learn(psnr_loss(pred, gt, progress, faint=FAINT), progress)
        if run.is_due(config.evaluate_every):
            run.record(evaluate(place.runner(run.averaged()), held_out))

    # 4. The averaged weights.
    trained = run.averaged()
    run.finish(
        trained,
        evaluate(place.runner(trained), held_out),
        architecture={"width": config.width, "depth": config.depth, "iterations": config.iterations},
        data="BSDS400, CC0/CC-BY photographs, OSIE, SUN-Hays",
        licence="BSDS500: academic use; see docs/models/preprocess_demosaic.md",
    )
    return trained


def main() -> None:
    arguments = command_line("preprocess_demosaic", __doc__, "workers").parse_args()
    train(read_config(Config, arguments.config), place_of(arguments))


if __name__ == "__main__":
    main()
