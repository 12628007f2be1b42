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

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from photorestore.fidelity import psnr_y
from photorestore.networks.runner import Runner
from photorestore.stages.upscale.network import CollapsibleConv, Upscaler, enlarge
from training.checkpoints import load_checkpoint
from training.config import RunConfig, read_config
from training.data import Batch, load_photos, random_patch, worker_batches
from training.degradations import second_order
from training.degradations.resize import shrink
from training.patches import PatchBank
from training.place import NEARLY_ALL_CORES, Place, command_line, place_of
from training.randomness import pick
from training.run import Run

NETWORK_NAMES = {"bicubic": "upscale", "second_order": "upscale_real"}
BRANCHES = "branches.safetensors"
"""In the folder of a run: its weights with branches, for `--begin`."""
MARGIN_PX = 8
"""Margin of a small patch, cut off after degradation: there, filters have seen mirrored pixels."""


@dataclass(frozen=True, slots=True)
class Config(RunConfig):
    """One training run."""

    degradation: str  # "bicubic" or "second_order"; also decides which network's name the weights get
    width: int  # channels
    depth: int  # residual blocks
    scales: tuple[int, ...]  # enlargements
    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    validation: int  # this many photographs of the first folder are held out
    patch_px: int  # side of the small patches
    squared_share: float  # last share of the run with the squared error, what PSNR asks for, in place of L1
    evaluate_every: int  # steps
    warm_start: str  # folder below `--runs` whose averaged weights are the beginning; empty: none

    def __post_init__(self) -> None:
        if self.degradation not in NETWORK_NAMES:
            raise ValueError(f"degradation {self.degradation!r} is none of {', '.join(NETWORK_NAMES)}")


Held = dict[int, list[tuple[Tensor, Tensor]]]
"""Small and large validation pictures by scale."""


def build(config: Config) -> Upscaler:
    """Return a new network."""
    return Upscaler(config.width, config.depth, config.scales)


def degrade(hr: Tensor, scale: int, degradation: str, rng: torch.Generator) -> Tensor:
    """Return the small picture of (3, H, W)."""
    return shrink(hr, scale) if degradation == "bicubic" else second_order.degrade(hr, scale, rng)


def worn_batch(photos: Sequence[Tensor], config: Config, rng: torch.Generator) -> Batch:
    """Draw pairs of one scale with second-order degradations: lr, hr."""
    scale = pick(config.scales, rng)
    side, edge = scale * (config.patch_px + 2 * MARGIN_PX), MARGIN_PX
    large = [random_patch(photos, side, rng) for _ in range(config.batch_size)]
    small = [degrade(patch, scale, config.degradation, rng) for patch in large]
    lr = torch.stack(small)[..., edge:-edge, edge:-edge]
    hr = torch.stack(large)[..., scale * edge : -scale * edge, scale * edge : -scale * edge]
    return lr.contiguous(memory_format=torch.channels_last), hr.contiguous()


def bank_batches(bank: PatchBank, config: Config, seed: int) -> Iterator[Batch]:
    """Yield pairs shrunk by bicubic, the scales in turn: lr, hr."""
    rng = torch.Generator(bank.device).manual_seed(seed)
    for scale in itertools.cycle(config.scales):
        yield bank.draw(scale, config.patch_px, config.batch_size, rng)


def make_validation(photos: Sequence[Tensor], config: Config) -> Held:
    """Degrade whole pictures with fixed seeds."""
    held: Held = {scale: [] for scale in config.scales}
    for scale, (seed, photo) in itertools.product(config.scales, enumerate(photos)):
        h, w = (side // scale * scale for side in photo.shape[-2:])
        hr = photo[:, :h, :w].float() / 255
        held[scale].append((degrade(hr, scale, config.degradation, torch.Generator().manual_seed(seed)), hr))
    return held


def evaluate(network: Runner[Tensor], held: Held) -> dict[str, float]:
    """Return the mean PSNR (dB) of Y over the validation pictures, by scale."""
    results = {}
    for scale, pairs in held.items():
        total = 0.0
        for lr, hr in pairs:
            total += psnr_y(network(lr[None], scale)[0].cpu(), hr, border=scale)
        results[f"psnr_y_x{scale}_db"] = total / len(pairs)
    return results


def bicubic_baseline(held: Held) -> dict[str, float]:
    """Return the same figures for bicubic enlargement."""
    return {
        f"bicubic_x{scale}_db": sum(
            psnr_y(enlarge(lr[None], scale)[0].clamp(0, 1), hr, border=scale) for lr, hr in pairs
        )
        / len(pairs)
        for scale, pairs in held.items()
    }


def warm_start(network: Upscaler, folder: Path, device: str) -> None:
    """Begin with the averaged weights of another run.

    Raises:
        FileNotFoundError: it has left no checkpoint.
    """
    checkpoint = load_checkpoint(folder / "checkpoint.pt", device)
    if checkpoint is None:
        raise FileNotFoundError(f"{folder} holds no checkpoint to begin with: train that network first")
    network.load_state_dict(checkpoint["average"])


def read_weights(network: Upscaler, file: Path) -> dict[str, Tensor]:
    """Read weights, with branches or collapsed, for a network with branches.

    A collapsed kernel becomes the plain branch, and the others begin where they add nothing: the function is the same.
    """
    stored, values = load_file(file), network.state_dict()
    for name, module in network.named_modules():
        if isinstance(module, CollapsibleConv) and f"{name}.weight" in stored:
            values[f"{name}.direct"] = stored.pop(f"{name}.weight")
            for branch in ("squeeze", "edge_gain"):
                values[f"{name}.{branch}"] = torch.zeros_like(values[f"{name}.{branch}"])
    return values | stored


def load(config: Config, place: Place) -> tuple[list[Tensor], list[Tensor]]:
    """Read the photographs to learn from, and those that are held out for validation: the first ones."""
    margin = MARGIN_PX if config.degradation == "second_order" else 0
    photos = load_photos(
        [place.data / name for name in config.photos],
        min_side_px=max(config.scales) * (config.patch_px + 2 * margin),
    )
    return photos[config.validation :], photos[: config.validation]


def make_pairs(photos: Sequence[Tensor], config: Config, place: Place, seed: int) -> Iterator[Batch]:
    """Yield pairs on the device without end: lr, hr."""
    if config.degradation == "bicubic":
        return bank_batches(PatchBank(photos, config.scales, place.device), config, seed)
    return worker_batches(partial(worn_batch, photos, config), seed, place.workers, place.device)


def start(config: Config, place: Place) -> Run[Upscaler]:
    """Begin a run with a new network or another one's weights, or go on with one."""
    torch.manual_seed(config.seed)
    network, name = place.take(build(config)), NETWORK_NAMES[config.degradation]
    goes_on = (place.runs / f"{name}.{config.tier}" / "checkpoint.pt").exists()
    if config.warm_start and place.begin is None and not goes_on:
        warm_start(network, place.runs / config.warm_start, place.device)
    optimiser = torch.optim.AdamW(
        network.parameters(), config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0
    )
    return Run(name, place, config, network, optimiser, read=partial(read_weights, network))


def train(config: Config, place: Place) -> Upscaler:
    """Train an upscaler, write its weights, and return it with its branches collapsed."""
    place.prepare()

    # 1. Pictures: the first ones are held out for validation.
    photos, held_out = load(config, place)
    held = make_validation(held_out, config)
    baseline = bicubic_baseline(held)
    print(f"{len(photos)} photographs; validation {baseline}", flush=True)

    # 2. Network and optimiser.
    run = start(config, place)
    forward = torch.compile(run.network) if place.compiled else run.network
    pairs = make_pairs(photos, config, place, config.seed + run.step)

    # 3. The loop.
    for progress in run.progress():
        lr, hr = next(pairs)
        with place.autocast():
            sr = forward(lr, hr.shape[-1] // lr.shape[-1])
        is_squared = progress >= 1 - config.squared_share
        run.learn((F.mse_loss(sr, hr) + 1e-8).sqrt() if is_squared else F.l1_loss(sr, hr), progress)
        if run.step % config.evaluate_every == 0:
            run.record(evaluate(place.runner(run.averaged()), held))

    # 4. The averaged weights, each convolution's branches collapsed into one; and, to go on with, as they were learned.
    branched = run.averaged()
    trained = branched.reparameterise()
    figures = evaluate(place.runner(trained), held) | baseline
    told = {
        "data": "BSDS400, CC0/CC-BY photographs, OSIE, SUN-Hays",
        "licence": "BSDS500: academic use; see docs/models/upscale.md",
    }
    run.finish(trained, figures, architecture=trained.architecture, **told)
    run.write(run.folder / BRANCHES, branched, figures, architecture=branched.architecture, **told)
    return trained


def main() -> None:
    parser = command_line("upscale", __doc__, "workers", "compile")
    parser.set_defaults(workers=NEARLY_ALL_CORES)
    arguments = parser.parse_args()
    train(read_config(Config, arguments.config), place_of(arguments))


if __name__ == "__main__":
    main()
