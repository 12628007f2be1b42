"""Train the network that sees how thick haze is.

    make train-weather_haze                   # configs/weather_haze.fast.toml
    python -m training.train_weather_haze --minutes 25 --threads 1

Haze of made depth is put into large parts of small photographs, in linear light; half of them stay clear. The network
is judged by what the model of haze makes of its answer, and told whether there was any.
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
from photorestore.pixels.guided import guided
from photorestore.pixels.tensors import luma
from photorestore.stages.preprocess.scene_network import view_of
from photorestore.stages.weather.haze_network import LEAST_SHARE, RADIUS_PX, VIEW_PX, Haze, HazeNetwork
from photorestore.stages.weather.hazing import clear
from photorestore.stages.weather.veil import FLAT
from training.config import RunConfig, read_config
from training.data import hold_out, load_photos
from training.degradations.noise import gaussian, quantise
from training.degradations.weather import haze
from training.losses import psnr as psnr_loss
from training.place import Place, command_line, place_of
from training.randomness import chance, pick, randint, uniform
from training.run import Run

CLEAR_SHARE, GREY_SHARE, GRAINY_SHARE, LEVELLED_SHARE = 0.45, 0.25, 0.4, 0.35
MOST_CUT = 0.01
"""Share of the values that levels cut off at either end, at most."""
MOST_SIGMA_255 = 4.0
"""Of grain: in a view less is left of it than in the picture."""
ZOOMED = 1.5
"""Parts of photographs are shrunk by that at most."""
FAINT = 10**-3.3
"""Squared error that need hardly fall."""
LEAKED = 0.05
SHARE_WEIGHT, AIR_WEIGHT, PRESENCE_WEIGHT = 0.2, 0.5, 0.1


@dataclass(frozen=True, slots=True)
class Config(RunConfig):
    """One training run."""

    widths: tuple[int, ...]  # channels at stride 2, 4, 8, 16, 32
    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    validation_every: int  # every n-th photograph of a folder is held out
    patch_px: int
    evaluate_every: int  # steps


def shrunk(photo: Tensor, side_px: int) -> Tensor:
    """Resize a photograph so that its short side has a length, uint8."""
    factor = side_px / min(photo.shape[-2:])
    size = [max(side_px, round(factor * side)) for side in photo.shape[-2:]]
    return F.interpolate(photo[None].float(), size, mode="bilinear", antialias=True).round().byte()[0]


def large_part(photo: Tensor, size_px: int, rng: torch.Generator) -> Tensor:
    """Cut a square out of a photograph, half of them flipped, upright: float (3, size_px, size_px) in [0, 1]."""
    side = randint(size_px, min(photo.shape[-2:]) + 1, rng)
    top, left = (randint(0, length - side + 1, rng) for length in photo.shape[-2:])
    part = photo[None, :, top : top + side, left : left + side].float() / 255
    part = F.interpolate(part, (size_px, size_px), mode="bilinear", antialias=True)[0]
    return part.flip(-1) if chance(0.5, rng) else part


def make_sample(photos: Sequence[Tensor], config: Config, rng: torch.Generator) -> tuple[Tensor, ...]:
    """Return (lq, gt, share, air, presence, whether share and air are what the model of haze has)."""
    gt = large_part(pick(photos, rng), config.patch_px, rng)
    if chance(GREY_SHARE, rng):
        gt = luma(gt[None])[0].expand(3, -1, -1)
    if chance(GRAINY_SHARE, rng):
        grain = gaussian(torch.zeros_like(gt[:1]), MOST_SIGMA_255 / 255 * uniform(0, 1, rng), rng)
        gt = (gt + grain).clamp(0, 1)
    is_levelled, yes = chance(LEVELLED_SHARE, rng), torch.ones(())
    if chance(CLEAR_SHARE, rng):
        gt = quantise(levelled(gt, rng) if is_levelled else gt)
        return gt, gt, torch.ones_like(gt[:1]), torch.ones((3, 1, 1)), torch.zeros(()), yes
    lq, share, air = haze(gt, rng)
    lq = quantise(lq)
    if is_levelled:
        return quantise(levelled(lq, rng)), gt, share, air, yes, torch.zeros(())
    return lq, gt, share, air, yes, yes


def levelled(image: Tensor, rng: torch.Generator) -> Tensor:
    """Stretch sRGB values as cameras do: some of the darkest become 0, some of the brightest 1."""
    ordered = image.flatten().sort().values
    low, high = (round(uniform(0, MOST_CUT, rng) * len(ordered)) for _ in range(2))
    darkest, brightest = ordered[low], ordered[-1 - high]
    return ((image - darkest) / (brightest - darkest).clamp_min(0.05)).clamp(0, 1)


def lifted(lq: Tensor, seen: Haze) -> Tensor:
    """Return views without the haze that was seen."""
    share = guided(luma(lq), seen.share, RADIUS_PX, FLAT).clamp(LEAST_SHARE, 1)
    return clear(lq, share, seen.air)


def loss_of(seen: Haze, sample: Sequence[Tensor], progress: float) -> Tensor:
    """Return what a batch is learned by."""
    lq, gt, share, air, presence, known = (
        part.view(-1, 1, 1, 1) if part.ndim == 1 else part for part in sample
    )
    restored = clear(lq, seen.share, seen.air)
    restored = restored.clamp(0, 1).lerp(restored, LEAKED)
    return (
        psnr_loss(restored, gt, progress, faint=FAINT)
        + SHARE_WEIGHT * ((seen.share.log() - share.clamp_min(LEAST_SHARE).log()).abs() * known).mean()
        + AIR_WEIGHT * ((seen.air - air).abs() * presence * known).mean()
        + PRESENCE_WEIGHT * F.binary_cross_entropy_with_logits(seen.presence, presence.flatten())
    )


def evaluate(see: Runner[Haze], photos: Sequence[Tensor]) -> dict[str, float]:
    """Return the gain (dB) over hazy views, and how sure of haze the network is of clear and of hazy ones."""
    rng = torch.Generator().manual_seed(1)
    gains, clears, hazies = [], [], []
    for photo in photos:
        gt = view_of(photo[None].float() / 255, VIEW_PX)
        lq = quantise(haze(gt[0], rng)[0])[None]
        found = see(lq)
        gains.append(psnr(lifted(lq, found).clamp(0, 1), gt) - psnr(lq, gt))
        hazies.append(float(found.presence))
        clears.append(float(see(gt).presence))
    told = sum(value < 0 for value in clears) + sum(value > 0 for value in hazies)
    return {
        "haze_gain_db": sum(gains) / len(gains),
        "least_gain_db": min(gains),
        "told_share": told / (2 * len(gains)),
    }


def train(config: Config, place: Place) -> HazeNetwork:
    """Train the network, write its weights, and return it."""
    place.prepare()
    folders = [load_photos([place.data / name], min_side_px=config.patch_px) for name in config.photos]
    held_out, kept = hold_out(folders, config.validation_every)
    photos = [shrunk(photo, round(ZOOMED * config.patch_px)) for folder in kept for photo in folder]
    del folders, kept
    torch.manual_seed(config.seed)
    network = place.take(HazeNetwork(config.widths))
    optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=1e-4)
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
        data="BSDS400, CC0/CC-BY photographs, OSIE, ImageNet (620 pictures)",
        licence="BSDS500, ImageNet: academic use; see docs/models/weather.md",
    )
    return trained


def main() -> None:
    arguments = command_line("weather_haze", __doc__, "workers").parse_args()
    train(read_config(Config, arguments.config), place_of(arguments))


if __name__ == "__main__":
    main()
