"""Train the network that sees how thick haze is.

    make train-weather-haze                   # configs/weather_haze.fast.toml
    python -m training.train_weather_haze --minutes 20 --threads 1

Haze of made depth is put into views of photographs, in linear light; a third stays clear. The network is judged by what
the model of haze makes of its answer, and told whether there was any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.fidelity import psnr
from photorestore.networks.runner import Runner
from photorestore.stages.weather.haze_network import Haze, HazeNetwork
from photorestore.stages.weather.hazing import clear
from training.config import RunConfig, read_config
from training.data import hold_out, load_photos, scaled_patch
from training.degradations.noise import gaussian, quantise
from training.degradations.weather import haze, rain
from training.losses import psnr as psnr_loss
from training.muon import MuonAdamW
from training.place import Place, command_line, place_of
from training.randomness import chance, uniform
from training.run import Run

CLEAR_SHARE, WET_SHARE = 0.35, 0.15
SHRUNK = (1.0, 2.5)
MOST_SIGMA_255 = 2.0
FAINT = 10**-3.6
"""Squared error that need hardly fall."""
SHARE_WEIGHT, AIR_WEIGHT, PRESENCE_WEIGHT = 0.5, 0.5, 0.1
VIEW_PX = 192


@dataclass(frozen=True, slots=True)
class Config(RunConfig):
    """One training run."""

    widths: tuple[int, int, int, int]  # channels at stride 2, 4, 8, 16
    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    validation_every: int  # every n-th photograph of a folder is held out
    patch_px: int
    evaluate_every: int  # steps


def make_sample(photos: Sequence[Tensor], config: Config, rng: torch.Generator) -> tuple[Tensor, ...]:
    """Return (lq, gt, share, air, presence)."""
    gt = scaled_patch(photos, config.patch_px, SHRUNK, rng)
    share, air, presence, lq = torch.ones_like(gt[:1]), torch.ones((3, 1, 1)), torch.zeros(()), gt
    if not chance(CLEAR_SHARE, rng):
        lq, share, air = haze(gt, rng)
        presence = torch.ones(())
    if chance(WET_SHARE, rng):
        lq = rain(lq, rng)
    lq = quantise(gaussian(lq, MOST_SIGMA_255 / 255 * uniform(0, 1, rng), rng))
    return lq, gt, share, air, presence


def loss_of(seen: Haze, sample: Sequence[Tensor], progress: float) -> Tensor:
    """Return what a batch is learned by."""
    lq, gt, share, air, presence = sample
    there = presence.view(-1, 1, 1, 1)
    restored = clear(lq, seen.share, seen.air)
    return (
        psnr_loss(restored, gt, progress, faint=FAINT)
        + SHARE_WEIGHT * (seen.share - share).abs().mean()
        + AIR_WEIGHT * ((seen.air - air).abs() * there).mean()
        + PRESENCE_WEIGHT * F.binary_cross_entropy_with_logits(seen.presence, presence)
    )


def evaluate(see: Runner[Haze], photos: Sequence[Tensor]) -> dict[str, float]:
    """Return the mean gain (dB) over the hazy input, and the logits of presence of clear and hazy views."""
    rng, gain, clears, hazies = torch.Generator().manual_seed(1), 0.0, [], []
    for photo in photos:
        gt = photo.float() / 255
        lq = quantise(haze(gt, rng)[0])
        found = see(lq[None])
        gain += psnr(clear(lq[None], found.share, found.air)[0].clamp(0, 1), gt) - psnr(lq, gt)
        hazies.append(float(found.presence))
        clears.append(float(see(gt[None]).presence))
    return {
        "haze_gain_db": gain / len(photos),
        "most_clear_logit": max(clears),
        "least_hazy_logit": min(hazies),
    }


def train(config: Config, place: Place) -> HazeNetwork:
    """Train the network, write its weights, and return it."""
    place.prepare()
    folders = [load_photos([place.data / name], min_side_px=VIEW_PX) for name in config.photos]
    held_out, kept = hold_out(folders, config.validation_every)
    photos = [photo for folder in kept for photo in folder]
    held_out = [photo[:, :VIEW_PX, :VIEW_PX] for photo in held_out]
    torch.manual_seed(config.seed)
    network = place.take(HazeNetwork(config.widths))
    optimiser = MuonAdamW(network, config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
    run = Run("weather_haze", place, config, network, optimiser)
    samples = run.samples(partial(make_sample, photos, config))
    for progress in run.progress():
        sample = next(samples)
        seen = network(sample[0].contiguous(memory_format=torch.channels_last))
        run.learn(loss_of(seen, sample, progress), progress)
        if run.is_due(config.evaluate_every):
            run.record(evaluate(place.runner(run.averaged()), held_out))
    trained = run.averaged()
    run.finish(
        trained,
        evaluate(place.runner(trained), held_out),
        architecture={"widths": config.widths},
        data="BSDS400, CC0/CC-BY photographs, OSIE",
        licence="BSDS500: academic use; see docs/models/weather.md",
    )
    return trained


def main() -> None:
    arguments = command_line("weather_haze", __doc__, "workers").parse_args()
    train(read_config(Config, arguments.config), place_of(arguments))


if __name__ == "__main__":
    main()
