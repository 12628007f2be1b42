"""Train the upscaler.

    make train-upscale                       # fast tier, configs/upscale.fast.toml: the benchmarks' bicubic shrinking
    python -m training.train_upscale --config training/configs/upscale_real.fast.toml    # real photographs, after it
    python -m training.train_upscale --config training/configs/upscale.quality.toml --compile --minutes 30

Both scales are trained at once, batch by batch in turn: the trunk learns what edges and textures look like from
either (as MDSR does; Lim et al., 2017), one budget and one file of weights serve both, and x4, which converges
slowly from nothing, has x2's help from the first step on.

The network for benchmarks sees pictures shrunk by MATLAB's bicubic, whole and beforehand; crops are cut on the
device. The one for real photographs goes on from it with second-order degradations, made anew for every sample by
worker processes.
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.fidelity import psnr_y
from photorestore.stages.upscale.network import Upscaler, enlarge
from training.checkpoints import load_checkpoint
from training.data import Batch, load_photos, random_patch, worker_batches
from training.degradations import second_order
from training.degradations.resize import shrink
from training.patches import PatchBank
from training.randomness import pick
from training.run import Run, parse_arguments, read_config

NETWORK_NAMES = {"bicubic": "upscale", "second_order": "upscale_real"}
MARGIN_PX = 8
"""Of a small patch, cut off after degradation: there, filters have seen mirrored pixels."""


@dataclass(frozen=True, slots=True)
class Config:
    """One training run."""

    tier: str  # name of the weights' tier
    degradation: str  # "bicubic" or "second_order"; also decides which network's name the weights get
    width: int  # channels
    depth: int  # residual blocks
    scales: tuple[int, ...]  # enlargements
    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    validation: int  # this many photographs of the first folder are held out
    patch_px: int  # side of the small patches
    batch_size: int
    total_steps: int
    learning_rate: float
    final_learning_rate: float
    squared_share: float  # last share of the run with the squared error, what PSNR asks for, in place of L1
    ema_decay: float
    evaluate_every: int  # steps
    warm_start: str  # folder below `--runs` whose averaged weights are the beginning; empty: none
    seed: int

    def __post_init__(self) -> None:
        if self.degradation not in NETWORK_NAMES:
            raise ValueError(f"degradation {self.degradation!r} is none of {', '.join(NETWORK_NAMES)}")


Held = dict[int, list[tuple[Tensor, Tensor]]]
"""Small and large validation pictures by scale."""


def build(config: Config) -> Upscaler:
    """A new network."""
    return Upscaler(config.width, config.depth, config.scales)


def degrade(hr: Tensor, scale: int, degradation: str, rng: torch.Generator) -> Tensor:
    """The small picture of (3, H, W)."""
    return shrink(hr, scale) if degradation == "bicubic" else second_order.degrade(hr, scale, rng)


def worn_batch(photos: Sequence[Tensor], config: Config, rng: torch.Generator) -> Batch:
    """Pairs of one scale with second-order degradations: lr, hr."""
    scale = pick(config.scales, rng)
    side, edge = scale * (config.patch_px + 2 * MARGIN_PX), MARGIN_PX
    large = [random_patch(photos, side, rng) for _ in range(config.batch_size)]
    small = [degrade(patch, scale, config.degradation, rng) for patch in large]
    lr = torch.stack(small)[..., edge:-edge, edge:-edge]
    hr = torch.stack(large)[..., scale * edge : -scale * edge, scale * edge : -scale * edge]
    return lr.contiguous(memory_format=torch.channels_last), hr.contiguous()


def bank_batches(bank: PatchBank, config: Config, seed: int) -> Iterator[Batch]:
    """Pairs shrunk by bicubic, the scales in turn: lr, hr."""
    rng = torch.Generator(bank.device).manual_seed(seed)
    for scale in itertools.cycle(config.scales):
        yield bank.draw(scale, config.patch_px, config.batch_size, rng)


def make_validation(photos: Sequence[Tensor], config: Config) -> Held:
    """Whole pictures, degraded with fixed seeds."""
    held: Held = {scale: [] for scale in config.scales}
    for scale, (seed, photo) in itertools.product(config.scales, enumerate(photos)):
        h, w = (side // scale * scale for side in photo.shape[-2:])
        hr = photo[:, :h, :w].float() / 255
        held[scale].append((degrade(hr, scale, config.degradation, torch.Generator().manual_seed(seed)), hr))
    return held


@torch.inference_mode()
def evaluate(network: nn.Module, held: Held, device: str) -> dict[str, float]:
    """Mean PSNR (dB) of Y over the validation pictures, by scale."""
    network.eval()
    results = {}
    for scale, pairs in held.items():
        total = 0.0
        for lr, hr in pairs:
            image = lr[None].to(device, memory_format=torch.channels_last)
            with torch.autocast(device, torch.bfloat16):
                sr = network(image, scale)[0].clamp(0, 1).cpu()
            total += psnr_y(sr, hr, border=scale)
        results[f"psnr_y_x{scale}_db"] = total / len(pairs)
    return results


def bicubic_baseline(held: Held) -> dict[str, float]:
    """The same figures for bicubic enlargement."""
    return {
        f"bicubic_x{scale}_db": sum(
            psnr_y(enlarge(lr[None], scale)[0].clamp(0, 1), hr, border=scale) for lr, hr in pairs
        )
        / len(pairs)
        for scale, pairs in held.items()
    }


def warm_start(network: nn.Module, folder: Path, device: str) -> None:
    """Begin with the averaged weights of another run.

    Raises:
        FileNotFoundError: it has left no checkpoint.
    """
    checkpoint = load_checkpoint(folder / "checkpoint.pt", device)
    if checkpoint is None:
        raise FileNotFoundError(f"{folder} holds no checkpoint to begin with: train that network first")
    network.load_state_dict(checkpoint["average"])


def add_more_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        type=int,
        default=max(1, (os.cpu_count() or 2) - 2),
        help="processes that make second-order degradations",
    )
    parser.add_argument("--compile", action="store_true", help="torch.compile, worth its minute on a GPU")


def main() -> None:
    arguments = parse_arguments("upscale", __doc__ or "", add_more_arguments)
    config = read_config(Config, arguments.config)
    device = arguments.device
    torch.backends.cudnn.benchmark = True  # all batches have one shape for each scale

    # 1. Pictures: the first ones are held out for validation.
    margin = MARGIN_PX if config.degradation == "second_order" else 0
    photos = load_photos(
        [arguments.data / name for name in config.photos],
        min_side_px=max(config.scales) * (config.patch_px + 2 * margin),
    )
    held = make_validation(photos[: config.validation], config)
    photos = photos[config.validation :]
    bank = PatchBank(photos, config.scales, device) if config.degradation == "bicubic" else None
    baseline = bicubic_baseline(held)
    print(f"{len(photos)} photographs; validation {baseline}", flush=True)

    # 2. Network and optimiser.
    torch.manual_seed(config.seed)
    network = build(config).to(device, memory_format=torch.channels_last)
    name = NETWORK_NAMES[config.degradation]
    if config.warm_start and not (arguments.runs / f"{name}.{config.tier}" / "checkpoint.pt").exists():
        warm_start(network, arguments.runs / config.warm_start, device)
    optimiser = torch.optim.AdamW(
        network.parameters(), config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0
    )
    run = Run(name, arguments, config, network, optimiser)
    forward = torch.compile(network) if arguments.compile else network
    seed = config.seed + run.step
    if bank is not None:
        pairs = bank_batches(bank, config, seed)
    else:
        pairs = worker_batches(partial(worn_batch, photos, config), seed, arguments.workers, device)

    # 3. The loop.
    for progress in run.progress():
        lr, hr = next(pairs)
        with torch.autocast(device, torch.bfloat16):
            sr = forward(lr, hr.shape[-1] // lr.shape[-1])
        is_squared = progress >= 1 - config.squared_share
        run.learn((F.mse_loss(sr, hr) + 1e-8).sqrt() if is_squared else F.l1_loss(sr, hr), progress)
        if run.step % config.evaluate_every == 0:
            run.record(evaluate(run.averaged(build(config)).to(device), held, device))

    # 4. The averaged weights, each convolution's branches collapsed into one.
    trained = run.averaged(build(config)).reparameterise()
    metrics = evaluate(trained.to(device), held, device)
    run.finish(
        trained, metrics | baseline,
        architecture=trained.architecture,
        data="BSDS400, CC0/CC-BY photographs, OSIE, SUN-Hays",
        licence="BSDS500: academic use; see docs/models/upscale.md",
    )  # fmt: skip


if __name__ == "__main__":
    main()
