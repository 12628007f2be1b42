"""Train the cascade of shrinkage fields that denoises on the smallest machines.

    python -m training.train_csf --minutes 60 --threads 1
    python -m training.train_csf --begin weights/denoise/denoise_csf.fast.safetensors --minutes 60   # go on together

First each stage learns alone what comes of the stages before it, and begins with the weights of the one before; then
all learn together (Schmidt and Roth, CVPR 2014). Samples are single planes with Gaussian noise: brightness, or one of
the two planes of colour; levels are drawn evenly by their logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from photorestore.fidelity import psnr
from photorestore.networks.runner import Runner
from photorestore.stages.denoise.opponents import planes_of
from photorestore.stages.denoise.shrinkage import ShrinkageCascade
from training.config import RunConfig, read_config
from training.data import load_photos, scaled_patch
from training.losses import LOSSES
from training.place import Place, command_line, place_of
from training.randomness import chance, randint, uniform
from training.run import Run

COLOUR_SHARE = 0.25
"""Share of samples that are planes of colour."""
SHRUNK_SHARE = 0.3
"""Share of photographs that are shrunk by up to half, which makes their texture busier."""


@dataclass(frozen=True, slots=True)
class Config(RunConfig):
    """One training run."""

    stages: int
    filters: int
    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    validation: int  # this many photographs of the first folder are held out
    patch_px: int
    greedy_share: float  # of the steps, in which stage after stage learns alone
    evaluate_every: int  # steps
    min_sigma_255: float
    max_sigma_255: float


def make_sample(photos: Sequence[Tensor], config: Config, rng: torch.Generator) -> tuple[Tensor, ...]:
    """Return (lq, gt, sigma, is_colour) of one plane, (1, H, W)."""
    shrink = (1.0, 2.0) if chance(SHRUNK_SHARE, rng) else (1.0, 1.0)
    planes = planes_of(scaled_patch(photos, config.patch_px, shrink, rng)[None])[0]
    plane = randint(1, 3, rng) if chance(COLOUR_SHARE, rng) else 0
    sigma = math.exp(uniform(math.log(config.min_sigma_255), math.log(config.max_sigma_255), rng)) / 255
    gt = planes[plane : plane + 1]
    lq = gt + sigma * torch.randn(gt.shape, generator=rng)
    return lq, gt, torch.tensor(sigma), torch.tensor(plane > 0)


def depth_of(progress: float, stages: int, greedy_share: float) -> tuple[int, int]:
    """Return the first stage that learns and how many there are, of a run that has come so far."""
    if progress >= greedy_share:
        return 0, stages
    alone = int(progress / greedy_share * stages)
    return alone, alone + 1


def evaluate(denoise: Runner[Tensor], photos: Sequence[Tensor]) -> dict[str, float]:
    """Return the PSNR (dB) over the held-out photographs, told the level: of grey ones, and in colour."""
    scores: dict[str, float] = {}
    for sigma_255, is_grey in ((25, True), (10, True), (50, True), (25, False)):
        rng, total = torch.Generator().manual_seed(1), 0.0
        for photo in photos:
            gt = photo[None].float() / 255
            gt = planes_of(gt)[:, :1] if is_grey else gt
            lq = gt + sigma_255 / 255 * torch.randn(gt.shape, generator=rng)
            sigma = torch.tensor([sigma_255 / 255])
            pred = denoise(lq.expand(-1, 3, -1, -1), sigma)[:, : gt.shape[1]]
            total += psnr(pred, gt)
        scores[f"psnr_{sigma_255}{'_grey' if is_grey else '_colour'}_db"] = total / len(photos)
    return scores


def train(config: Config, place: Place) -> ShrinkageCascade:
    """Train a cascade, write its weights, and return it."""
    place.prepare()

    # 1. Pictures; the first ones are held out.
    photos = load_photos([place.data / name for name in config.photos], min_side_px=config.patch_px)
    held_out = photos[: config.validation]

    # 2. Network and optimiser.
    torch.manual_seed(config.seed)
    network = ShrinkageCascade(config.stages, config.filters).to(place.device)
    optimiser = torch.optim.Adam(network.parameters(), config.learning_rate, betas=(0.9, 0.99))
    run = Run("denoise_csf", place, config, network, optimiser)
    samples = run.samples(partial(make_sample, photos[config.validation :], config))

    # 3. The loop.
    known = 1
    greedy_share = 0.0 if place.begin else config.greedy_share
    for progress in run.progress():
        frozen, depth = depth_of(progress, config.stages, greedy_share)
        if depth == known + 1 and frozen == known:
            network.stages[known].load_state_dict(network.stages[known - 1].state_dict())
        known = depth
        lq, gt, sigma, is_colour = next(samples)
        pred = network.planes(lq, sigma, is_colour, depth=depth, frozen=frozen)
        run.learn(LOSSES["psnr"](pred, gt, progress), progress)
        if run.is_due(config.evaluate_every):
            run.record(evaluate(place.runner(run.averaged()), held_out[:4]))

    # 4. The averaged weights.
    trained = run.averaged()
    run.finish(
        trained,
        evaluate(place.runner(trained), held_out[:4]),
        architecture={"stages": config.stages, "filters": config.filters},
        data="BSDS400, CC0/CC-BY photographs",
        licence="BSDS500: academic use; see docs/models/denoise_csf.md",
    )
    return trained


def main() -> None:
    arguments = command_line("denoise_csf", __doc__, "workers").parse_args()
    train(read_config(Config, arguments.config), place_of(arguments))


if __name__ == "__main__":
    main()
