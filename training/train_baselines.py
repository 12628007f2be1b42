"""Train the bench's learned baselines: the grey autoencoder, SRCNN and LapSRN.

    make train-baselines                                            # all of them, one after the other
    python -m training.train_baselines --networks srcnn --minutes 6 --threads 1

They are trained for minutes, not for the days of their papers: their scores are those that such networks reach on the
budget that their weights name. The weights go to `bench/weights`, because the service does not use them.

The autoencoder sees Gaussian noise of sigma_255 0 to 55, neither clipped nor quantised; the others see the benchmarks'
bicubic shrinking.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.fidelity import psnr
from photorestore.pixels.tensors import luma
from training.baselines import NETWORKS
from training.config import RunConfig, read_config
from training.data import load_photos
from training.degradations.noise import gaussian
from training.degradations.resize import bicubic, shrink
from training.patches import PatchBank
from training.place import Place, command_line, place_of
from training.run import Run

SCALES = (2, 4)
MAX_SIGMA_255 = 55
SIGMAS_255 = (15, 25, 50)


@dataclass(frozen=True, slots=True)
class Config(RunConfig):
    """One training run."""

    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    validation: int  # this many photographs of the first folder are held out
    patch_px: int  # side of the (small) patches
    evaluate_every: int  # steps


def autoencoder_losses(network: nn.Module, bank: PatchBank, config: Config) -> Iterator[Tensor]:
    """Yield the squared error of denoised luma."""
    rng = torch.Generator().manual_seed(config.seed)
    while True:
        gt = luma(bank.draw(1, config.patch_px, config.batch_size, rng)[1])
        sigma = MAX_SIGMA_255 / 255 * torch.rand((len(gt), 1, 1, 1), generator=rng)
        lq = gt + sigma * torch.randn(gt.shape, generator=rng)
        yield F.mse_loss(network(lq), gt)


def srcnn_losses(network: nn.Module, bank: PatchBank, config: Config) -> Iterator[Tensor]:
    """Yield the squared error of sharpened luma, the scales in turn."""
    rng = torch.Generator().manual_seed(config.seed)
    for scale in itertools.cycle(SCALES):
        lr, hr = map(luma, bank.draw(scale, config.patch_px, config.batch_size, rng))
        yield F.mse_loss(network(bicubic(lr, scale), scale), hr)


def lapsrn_losses(network: nn.Module, bank: PatchBank, config: Config) -> Iterator[Tensor]:
    """Yield Charbonnier's loss at every level, as in the paper; the middle picture is the large one's half."""
    rng = torch.Generator().manual_seed(config.seed)
    while True:
        lr, hr = map(luma, bank.draw(SCALES[-1], config.patch_px, config.batch_size, rng))
        targets = [bicubic(hr, scale / SCALES[-1]) for scale in SCALES]
        levels = zip(network(lr), targets, strict=True)
        yield sum((((sr - target).square() + 1e-6).sqrt().mean() for sr, target in levels), torch.zeros(()))


@torch.inference_mode()
def evaluate_denoising(network: nn.Module, photos: Sequence[Tensor]) -> dict[str, float]:
    """Return the mean PSNR (dB) of luma at three noise levels."""
    results = {}
    for sigma_255 in SIGMAS_255:
        scores = []
        for seed, photo in enumerate(photos):
            gt = luma(photo.float() / 255)
            lq = gaussian(gt, sigma_255 / 255, torch.Generator().manual_seed(seed))
            scores.append(psnr(network(lq[None])[0].clamp(0, 1), gt))
        results[f"psnr_{sigma_255}_db"] = sum(scores) / len(scores)
    return results


@torch.inference_mode()
def evaluate_enlargement(network: nn.Module, photos: Sequence[Tensor]) -> dict[str, float]:
    """Return the mean PSNR (dB) of full-range luma by scale, without a border of `scale` pixels."""
    results = {}
    for scale in SCALES:
        scores = []
        for photo in photos:
            h, w = (side // SCALES[-1] * SCALES[-1] for side in photo.shape[-2:])
            hr = photo[:, :h, :w].float() / 255
            sr = enlarge_luma(network, luma(shrink(hr, scale)), scale).clamp(0, 1)
            inner = (..., slice(scale, -scale), slice(scale, -scale))
            scores.append(psnr(sr[inner], luma(hr)[inner]))
        results[f"psnr_luma_x{scale}_db"] = sum(scores) / len(scores)
    return results


def enlarge_luma(network: nn.Module, lr: Tensor, scale: int) -> Tensor:
    """Return what SRCNN or LapSRN makes of luma (1, h, w): (1, scale * h, scale * w), not clamped."""
    if isinstance(network, NETWORKS["lapsrn"]):
        return network(lr[None])[SCALES.index(scale)][0]
    return network(bicubic(lr, scale)[None], scale)[0]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a baseline is trained.

    Attributes:
        architecture: the arguments that build it.
        scales: of the pairs of patches that it learns from.
        losses: of endless batches.
        evaluate: mean PSNR by case over validation photographs.
    """

    architecture: Mapping[str, Any]
    scales: tuple[int, ...]
    losses: Callable[[nn.Module, PatchBank, Config], Iterator[Tensor]]
    evaluate: Callable[[nn.Module, Sequence[Tensor]], dict[str, float]]


RECIPES = {
    "autoencoder": Recipe({"width": 32}, (1,), autoencoder_losses, evaluate_denoising),
    "srcnn": Recipe({"scales": SCALES}, SCALES, srcnn_losses, evaluate_enlargement),
    "lapsrn": Recipe({"width": 32, "depth": 5, "levels": 2}, SCALES, lapsrn_losses, evaluate_enlargement),
}


def train(name: str, config: Config, place: Place) -> nn.Module:
    """Train one baseline, write its weights, and return it."""
    place.prepare()

    # 1. Pictures: the first ones are held out for validation.
    recipe = RECIPES[name]
    folders = [place.data / folder for folder in config.photos]
    photos = load_photos(folders, min_side_px=max(SCALES) * config.patch_px)
    held = photos[: config.validation]
    bank = PatchBank(photos[config.validation :], recipe.scales, "cpu")

    # 2. Network and optimiser.
    torch.manual_seed(config.seed)
    network = place.take(NETWORKS[name](**recipe.architecture))
    optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=0.0)
    losses = recipe.losses(network, bank, config)
    run = Run(name, place, config, network, optimiser)

    # 3. The loop.
    for progress in run.progress():
        run.learn(next(losses), progress)
        if run.step % config.evaluate_every == 0:
            run.record(recipe.evaluate(run.averaged(), held))

    # 4. The averaged weights.
    trained = run.averaged()
    run.finish(
        trained, recipe.evaluate(trained, held),
        architecture=recipe.architecture,
        data=", ".join(config.photos),
        licence="BSDS500: academic use; see docs/models/baselines.md",
    )  # fmt: skip
    return trained


def main() -> None:
    parser = command_line("baselines", __doc__)
    parser.add_argument("--networks", nargs="*", choices=list(RECIPES), default=list(RECIPES))
    parser.set_defaults(weights=Path("bench/weights"), minutes=8.0, device="cpu")
    arguments = parser.parse_args()
    for name in arguments.networks:
        train(name, read_config(Config, arguments.config, table=name), place_of(arguments))


if __name__ == "__main__":
    main()
