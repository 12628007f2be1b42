"""Train the denoiser.

    make train-denoise                       # fast tier, configs/denoise.fast.toml
    python -m training.train_denoise --config training/configs/denoise.quality.toml --minutes 29
    python -m training.train_denoise --begin weights/denoise/denoise.fast.safetensors --minutes 60    # go on from there

Blind and non-blind at once: half of the samples hide the noise level. With `noise = "mixed"` two samples in five carry
plain Gaussian noise, neither clipped nor quantised (the benchmark's protocol); the others JPEG artefacts, sensor noise,
film grain, speckle, real camera noise, and what lies on a picture's surface: coarse grain, mosaics, embossed paper,
screens; stored in 8 bits as pictures are. Many patches have stronger colours than photographs.

With `targets = "noisy"` the target is a second noisy draw of the same picture (Noise2Noise), so that no clean picture
is needed; `difficulty_levels` above 1 draws more samples where the network is weakest (on-demand learning). What these
options bring is measured by `python -m training.experiments`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from photorestore.stages.denoise.network import DenoiseUNet
from training.config import RunConfig, read_config
from training.data import Batch, load_photos, random_patch, read_photo, scaled_patch
from training.degradations.colours import strong_colours
from training.degradations.levelled import NOISES, mixed_noise, on_surface, rough_level
from training.denoise_validation import evaluate, psnr_by_difficulty
from training.losses import LOSSES, Penalty
from training.muon import MuonAdamW
from training.on_demand import OnDemand, Span
from training.place import Place, command_line, place_of
from training.randomness import chance, uniform
from training.run import Run

Sampler = Callable[[torch.Generator], tuple[Tensor, ...]]
"""Draws one sample, as `make_sample` returns it."""

PAIRS_SHARE = 0.2
"""Share of the samples with mixed noise that have real camera noise."""
SURFACES_SHARE = 0.18
"""Share of the others that are grainy or on a structured surface."""
SHRUNK_SHARE = 0.4
"""Share of photographs that are shrunk by up to half, which makes their texture busier."""
GREY_SHARE = 0.35
"""Share of grey samples: old photographs are mostly grey, and grey noise is harder to tell from texture."""
STRONG_SHARE = 0.45
"""Share of the patches in colour that get stronger colours."""


@dataclass(frozen=True, slots=True)
class Config(RunConfig):
    """One training run."""

    widths: tuple[int, ...]  # channels at stride 2, 4, 8
    depths: tuple[int, ...]  # residual blocks at these strides
    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    pairs: str  # folder of `*_real` / `*_mean` pairs of real camera noise
    papers: str  # folder of photographs of paper, or "": no surfaces
    validation: int  # this many photographs of the first folder are held out
    patch_px: int
    evaluate_every: int  # steps
    noise: str  # "mixed", or one of NOISES
    max_sigma_255: float  # Gaussian noise is drawn from 0 to this
    targets: str  # "clean", or "noisy": a second draw of the noise
    loss: str  # one of LOSSES: "l0", "l1", "l2" or "psnr"
    difficulty_levels: int  # 1: strength of the noise is drawn evenly

    def __post_init__(self) -> None:
        if self.noise not in ("mixed", *NOISES):
            raise ValueError(f"noise {self.noise!r} is none of mixed, {', '.join(NOISES)}")
        if self.targets not in ("clean", "noisy"):
            raise ValueError(f"targets {self.targets!r} are neither clean nor noisy")
        if self.targets == "noisy" and self.noise == "mixed":
            raise ValueError(
                "noisy targets need noise with a mean, median or mode of zero: clipping and JPEG have none"
            )
        if self.loss not in LOSSES:
            raise ValueError(f"loss {self.loss!r} is none of {', '.join(LOSSES)}")


def load_pairs(folder: Path) -> list[Tensor]:
    """Read real noisy photographs, stacked on their clean means: uint8 (6, H, W)."""
    noisy = sorted(folder.glob("*_real.*"))
    return [
        torch.cat([read_photo(file), read_photo(file.with_name(file.name.replace("_real", "_mean")))])
        for file in noisy
    ]


@dataclass(frozen=True, slots=True)
class Pictures:
    """Sources that samples are drawn from.

    Attributes:
        photos: clean photographs, uint8 (3, H, W).
        pairs: from `load_pairs`.
        papers: photographs of paper, uint8 (3, H, W).
    """

    photos: Sequence[Tensor]
    pairs: Sequence[Tensor] = ()
    papers: Sequence[Tensor] = ()


def degrade(
    gt: Tensor, config: Config, span: Span, rng: torch.Generator, papers: Sequence[Tensor] = ()
) -> tuple[Tensor, Tensor, Tensor]:
    """Return (lq, target, sigma) of a patch (3 or 1 channels), of a difficulty within `span`; some on surfaces."""
    if papers and chance(SURFACES_SHARE, rng):
        lq, sigma = on_surface(gt, papers, rng)
        return lq, gt, sigma
    strength = uniform(*span, rng)
    if config.noise == "mixed":
        lq, sigma = mixed_noise(gt, strength * config.max_sigma_255 / 255, rng)
        return lq, gt, sigma
    noise = NOISES[config.noise](strength, config.max_sigma_255)
    lq, sigma = noise(gt, rng)
    return lq, noise(gt, rng)[0] if config.targets == "noisy" else gt, sigma


def make_sample(
    pictures: Pictures, config: Config, difficulty: OnDemand, rng: torch.Generator
) -> tuple[Tensor, ...]:
    """Return (lq, target, sigma): sigma is -1 where the network is not told."""
    if pictures.pairs and chance(PAIRS_SHARE, rng):
        lq, gt = random_patch(pictures.pairs, config.patch_px, rng).split(3)
        return lq, gt, torch.tensor(-1.0) if chance(0.5, rng) else rough_level(lq, gt, rng)
    shrink = (1.0, 2.0) if chance(SHRUNK_SHARE, rng) else (1.0, 1.0)
    gt = scaled_patch(pictures.photos, config.patch_px, shrink, rng)
    if chance(GREY_SHARE, rng):
        gt = gt.mean(0, keepdim=True)  # and so is the noise
    elif config.noise == "mixed" and chance(STRONG_SHARE, rng):
        gt = strong_colours(gt, rng)
    lq, target, sigma = degrade(gt, config, difficulty.draw(rng), rng, pictures.papers)
    lq, target = lq.expand(3, -1, -1), target.expand(3, -1, -1)
    return lq, target, torch.full_like(sigma, -1.0) if chance(0.5, rng) else sigma


def load(config: Config, place: Place) -> tuple[Pictures, list[Tensor]]:
    """Read the pictures to learn from, and photographs that are held out for validation: the first ones."""
    photos = load_photos([place.data / name for name in config.photos], min_side_px=config.patch_px)
    pairs = load_pairs(place.data / config.pairs) if config.noise == "mixed" else []
    papers = load_photos([place.data / config.papers], min_side_px=config.patch_px) if config.papers else []
    return Pictures(photos[config.validation :], pairs, papers), photos[: config.validation]


def make_optimiser(network: DenoiseUNet, config: Config) -> MuonAdamW:
    """Return what updates a denoiser."""
    return MuonAdamW(network, config.learning_rate, betas=(0.9, 0.9), weight_decay=0.0)


def loss_of(
    network: DenoiseUNet,
    batch: Batch,
    config: Config,
    place: Place,
    progress: float,
    penalty: Penalty | None = None,
) -> Tensor:
    """Return, (), what a batch of samples costs.

    Args:
        batch: (lq, target, sigma), each of `make_sample` stacked.
        progress: of the run, 0 to 1.
        penalty: what the loss has in addition; it watches the network.
    """
    lq, target, sigma = batch
    with place.autocast():
        pred = network(lq.contiguous(memory_format=torch.channels_last), sigma)
    loss = LOSSES[config.loss](pred, target, progress)
    return loss if penalty is None else loss + penalty.value()


def train(config: Config, place: Place, *, sampler: Sampler | None = None) -> DenoiseUNet:
    """Train a denoiser, write its weights, and return it.

    Args:
        sampler: draws a sample as `make_sample` does; None: by the configuration, from the pictures to learn from.
    """
    place.prepare()

    # 1. Pictures, and how difficult samples of them are to be.
    pictures, held_out = load(config, place)
    difficulty = OnDemand(config.difficulty_levels)

    # 2. Network and optimiser.
    torch.manual_seed(config.seed)
    network = place.take(DenoiseUNet(config.widths, config.depths))
    run = Run("denoise", place, config, network, make_optimiser(network, config))
    samples = run.samples(sampler or partial(make_sample, pictures, config, difficulty))

    # 3. The loop.
    for progress in run.progress():
        run.learn(loss_of(network, next(samples), config, place, progress), progress)
        if run.step % config.evaluate_every == 0:
            averaged = place.runner(run.averaged())
            run.record(evaluate(averaged, held_out, config.max_sigma_255))
            if config.difficulty_levels > 1:
                difficulty.update(
                    psnr_by_difficulty(averaged, held_out, config.noise, config.max_sigma_255, difficulty)
                )

    # 4. The averaged weights.
    trained = run.averaged()
    run.finish(
        trained,
        evaluate(place.runner(trained), held_out, config.max_sigma_255),
        architecture={"widths": config.widths, "depths": config.depths},
        data="BSDS400, CC0/CC-BY photographs, OSIE, SUN-Hays, PolyU pairs, photographs of paper",
        licence="BSDS500 and PolyU: academic use; see docs/models/denoise.md",
    )
    return trained


def main() -> None:
    arguments = command_line("denoise", __doc__, "workers").parse_args()
    train(read_config(Config, arguments.config), place_of(arguments))


if __name__ == "__main__":
    main()
