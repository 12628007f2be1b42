"""Train the denoiser.

    make train-denoise                       # fast tier, configs/denoise.fast.toml
    python -m training.train_denoise --config training/configs/denoise.fast.toml --minutes 60

Blind and non-blind at once: half of the samples hide the noise level. Half of the samples carry plain
Gaussian noise, neither clipped nor quantised (the benchmark's protocol); the others sensor noise, film grain,
speckle, JPEG artefacts and real camera noise, stored in 8 bits as pictures are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.metrics import psnr
from photorestore.networks.denoise import DenoiseUNet
from training.data import batches, load_photos, random_patch, read_photo
from training.degradations.noise import (
    chance,
    film_grain,
    gaussian,
    jpeg,
    poisson_gaussian,
    quantise,
    randint,
    speckle,
    uniform,
)
from training.run import Run, parse_arguments, read_config

EVALUATE_EVERY = 1000


@dataclass(frozen=True, slots=True)
class Config:
    """One training run."""

    tier: str  # name of the weights' tier
    widths: tuple[int, ...]  # channels at stride 2, 4, 8
    depths: tuple[int, ...]  # residual blocks at these strides
    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    pairs: str  # folder of `*_real` / `*_mean` pairs of real camera noise
    validation: int  # this many photographs of the first folder are held out
    patch_px: int
    batch_size: int
    total_steps: int
    learning_rate: float
    final_learning_rate: float
    ema_decay: float
    max_sigma_255: float  # Gaussian noise is drawn from 0 to this
    seed: int


def degrade(gt: Tensor, max_sigma: float, rng: torch.Generator) -> tuple[Tensor, float]:
    """Noisy version of a patch, and its noise level ([0, 1] units)."""
    sigma = uniform(0, max_sigma, rng)
    if chance(0.55, rng):
        return gaussian(gt, sigma, rng), sigma
    kind = randint(0, 4, rng)
    if kind == 0:
        lq = gaussian(gt, sigma, rng)
    elif kind == 1:
        lq = poisson_gaussian(gt, uniform(0, 0.05, rng), uniform(0, 0.12, rng), rng)
    elif kind == 2:
        lq = film_grain(gt, uniform(0, 0.16, rng), uniform(0.4, 1.2, rng), rng)
    else:
        lq = speckle(gt, uniform(0, 0.25, rng), rng)
    sigma = float((lq - gt).std())
    if chance(0.4, rng):
        return jpeg(lq, randint(25, 96, rng), subsample=chance(0.5, rng)), sigma
    return quantise(lq), sigma


def load_pairs(folder: Path) -> list[Tensor]:
    """Real noisy photographs stacked on their clean means: uint8 (6, H, W)."""
    noisy = sorted(folder.glob("*_real.*"))
    return [
        torch.cat([read_photo(file), read_photo(file.with_name(file.name.replace("_real", "_mean")))])
        for file in noisy
    ]


def make_sample(
    photos: list[Tensor], pairs: list[Tensor], config: Config, rng: torch.Generator
) -> tuple[Tensor, ...]:
    """(lq, gt, sigma): sigma is -1 where the network is not told."""
    if chance(0.04, rng):
        both = random_patch(pairs, config.patch_px, rng)
        lq, gt, sigma = both[:3], both[3:], -1.0
    else:
        gt = random_patch(photos, config.patch_px, rng)
        if chance(0.1, rng):
            gt = gt.mean(0, keepdim=True).expand(3, -1, -1)
        lq, sigma = degrade(gt, config.max_sigma_255 / 255, rng)
        if chance(0.5, rng):
            sigma = -1.0
    return lq, gt, torch.tensor(sigma)


@torch.inference_mode()
def evaluate(network: nn.Module, photos: list[Tensor]) -> dict[str, float]:
    """Mean blind PSNR (dB) over the held-out photographs at sigma_255 15, 25 and 50."""
    network.eval()
    results = {}
    for sigma_255 in (15, 25, 50):
        rng = torch.Generator().manual_seed(sigma_255)
        total = 0.0
        for photo in photos:
            gt = photo.float() / 255
            lq = gaussian(gt, sigma_255 / 255, rng)
            with torch.autocast("cpu", torch.bfloat16):
                pred = network(lq[None])[0].clamp(0, 1)
            total += psnr(pred, gt)
        results[f"psnr_{sigma_255}_db"] = total / len(photos)
    network.train()
    return results


def main() -> None:
    arguments = parse_arguments("denoise", __doc__ or "")
    config = read_config(Config, arguments.config)
    device = arguments.device

    # 1. Pictures: the first ones are held out for validation.
    photos = load_photos([arguments.data / name for name in config.photos], min_side_px=config.patch_px)
    pairs = load_pairs(arguments.data / config.pairs)
    held_out, photos = photos[: config.validation], photos[config.validation :]

    # 2. Network and optimiser.
    torch.manual_seed(config.seed)
    network = DenoiseUNet(config.widths, config.depths).to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(
        network.parameters(), config.learning_rate, betas=(0.9, 0.9), weight_decay=0.0
    )
    run = Run("denoise", arguments, config, network, optimiser)
    samples = batches(
        lambda rng: make_sample(photos, pairs, config, rng), config.batch_size, config.seed + run.step
    )

    # 3. The loop: L1, then mean squared error over the last fifth, which is what PSNR asks for.
    for progress in run.progress():
        lq, gt, sigma = (part.to(device) for part in next(samples))
        with torch.autocast(device, torch.bfloat16):
            pred = network(lq.contiguous(memory_format=torch.channels_last), sigma)
        loss = F.l1_loss(pred, gt) if progress < 0.8 else (F.mse_loss(pred, gt) + 1e-8).sqrt()
        run.learn(loss, progress)
        if run.step % EVALUATE_EVERY == 0:
            run.record(evaluate(run.averaged(DenoiseUNet(config.widths, config.depths)), held_out))

    # 4. The averaged weights.
    trained = run.averaged(DenoiseUNet(config.widths, config.depths))
    run.finish(
        trained,
        evaluate(trained, held_out),
        architecture={"widths": config.widths, "depths": config.depths},
        data="BSDS400, CC0/CC-BY photographs, OSIE, SUN-Hays, PolyU pairs",
        licence="BSDS500 and PolyU: academic use; see docs/models/denoise.md",
    )


if __name__ == "__main__":
    main()
