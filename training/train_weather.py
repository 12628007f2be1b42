"""Train the network that takes rain and snow out of photographs.

    make train-weather                        # configs/weather.fast.toml
    python -m training.train_weather --minutes 25 --threads 1
    python -m training.train_weather --begin weights/weather/weather.fast.safetensors --minutes 22   # trains on

Streaks or flakes are drawn into photographs, some of which are hazy, grey or grainy; two fifths stay as they are, and
so must come back. Weights to begin with choose a part of these: what they darken most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from photorestore.fidelity import psnr
from photorestore.networks.runner import Runner
from photorestore.stages.weather.network import WeatherUNet
from training.config import RunConfig, read_config
from training.data import hold_out, load_photos, middle, scaled_patch
from training.degradations.fading import grey
from training.degradations.noise import film_grain, quantise
from training.degradations.weather import haze, rain, snow
from training.dry_pictures import MOST_SIGMA_255, draw_like_weather, mistaken_for_wet, wear
from training.losses import psnr as psnr_loss
from training.muon import MuonAdamW
from training.place import Place, command_line, place_of
from training.randomness import chance
from training.run import Run

DRY_SHARE, SNOW_SHARE, HAZY_SHARE = 0.4, 0.4, 0.15
LIKE_SHARE, WET_LIKE_SHARE = 0.35, 0.1
"""Of dry and of other samples, into which something is drawn that looks like weather."""
MISTAKEN_SHARE, MISTAKEN_PATCHES = 0.35, 2
"""Of dry samples, cut from what was mistaken, if that is known; and the sides of such parts, in patches."""
SHRUNK = (0.8, 2.0)
VIEW_PX = 192
"""Sides of the middle of a held-out photograph that is looked at."""
WEATHERS = {"rain": rain, "snow": snow}


@dataclass(frozen=True, slots=True)
class Config(RunConfig):
    """One training run."""

    widths: tuple[int, int, int]  # channels at stride 2, 4, 8
    depths: tuple[int, int, int]  # residual blocks at these strides
    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    validation_every: int  # every n-th photograph of a folder is held out
    patch_px: int
    faint_db: tuple[float, float]  # errors need hardly fall below, at start and end, see `train_deblur`
    evaluate_every: int  # steps


def make_sample(
    photos: Sequence[Tensor], mistaken: Sequence[Tensor], config: Config, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return (lq, gt); `mistaken` are parts of photographs that were taken for wet."""
    is_dry = chance(DRY_SHARE, rng)
    is_mistaken = is_dry and chance(MISTAKEN_SHARE, rng)
    gt = scaled_patch(mistaken if mistaken and is_mistaken else photos, config.patch_px, SHRUNK, rng)
    if chance(LIKE_SHARE if is_dry and not is_mistaken else WET_LIKE_SHARE, rng):
        gt = draw_like_weather(gt, rng)
    if chance(HAZY_SHARE, rng):
        gt = haze(gt, rng)[0]
    gt = quantise(wear(gt, rng))
    if is_dry:
        return gt, gt
    fallen = snow(gt, rng) if chance(SNOW_SHARE, rng) else rain(gt, rng)
    return quantise(fallen), gt


def evaluate(dry: Runner[Tensor], photos: Sequence[Tensor]) -> dict[str, float]:
    """Return the mean gain (dB) over the input by weather, and the PSNR (dB) of what dry photographs become.

    The same for what they are as grey prints, with grain of half of `MOST_SIGMA_255`.
    """
    clean = [photo.float() / 255 for photo in photos]
    rng = torch.Generator().manual_seed(2)
    prints = [printed(gt, MOST_SIGMA_255 / 255 / 2, rng) for gt in clean]
    return _evaluate(dry, clean, "") | _evaluate(dry, prints, "print_")


def printed(gt: Tensor, sigma: float, rng: torch.Generator) -> Tensor:
    """Return a photograph as a grey print with grain of a level ([0, 1] units) shows it, 8-bit values."""
    return quantise(film_grain(grey(gt), sigma, 0.5, rng))


def _evaluate(dry: Runner[Tensor], clean: Sequence[Tensor], look: str) -> dict[str, float]:
    scores = {}
    for name, falls in WEATHERS.items():
        rng, total = torch.Generator().manual_seed(1), 0.0
        for gt in clean:
            lq = quantise(falls(gt, rng))
            total += psnr(dry(lq[None])[0], gt) - psnr(lq, gt)
        scores[f"{look}{name}_gain_db"] = total / len(clean)
    kept = [psnr(dry(gt[None])[0], gt) for gt in clean]
    return scores | {f"{look}dry_db": sum(kept) / len(kept), f"least_{look}dry_db": min(kept)}


def train(config: Config, place: Place) -> WeatherUNet:
    """Train the network, write its weights, and return it."""
    place.prepare()
    folders = [load_photos([place.data / name], min_side_px=config.patch_px) for name in config.photos]
    held_out, kept = hold_out(folders, config.validation_every)
    photos = [photo for folder in kept for photo in folder]
    held_out = [middle(photo, VIEW_PX) for photo in held_out]
    torch.manual_seed(config.seed)
    network = place.take(WeatherUNet(config.widths, config.depths))
    optimiser = MuonAdamW(network, config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
    run = Run("weather", place, config, network, optimiser)
    mistaken: list[Tensor] = []
    if place.begin is not None or run.step:
        rng = torch.Generator().manual_seed(config.seed + run.step)
        runner, size_px = place.runner(run.averaged()), MISTAKEN_PATCHES * config.patch_px
        mistaken = mistaken_for_wet(runner, photos, size_px, rng)
        print(f"rain or snow is found in {len(mistaken)} of {len(photos)} dry photographs", flush=True)
    samples = run.samples(partial(make_sample, photos, mistaken, config))
    for progress in run.progress():
        lq, gt = next(samples)
        with place.autocast():
            pred = network(lq.contiguous(memory_format=torch.channels_last))
        faint_db = config.faint_db[0] + (config.faint_db[1] - config.faint_db[0]) * progress
        run.learn(psnr_loss(pred, gt, progress, faint=10 ** (-faint_db / 10)), progress)
        if run.is_due(config.evaluate_every):
            run.record(evaluate(place.runner(run.averaged()), held_out))
    trained = run.averaged()
    run.finish(
        trained,
        evaluate(place.runner(trained), held_out),
        architecture={"widths": config.widths, "depths": config.depths},
        data="BSDS400, CC0/CC-BY photographs, OSIE",
        licence="BSDS500: academic use; see docs/models/weather.md",
    )
    return trained


def main() -> None:
    arguments = command_line("weather", __doc__, "workers").parse_args()
    train(read_config(Config, arguments.config), place_of(arguments))


if __name__ == "__main__":
    main()
