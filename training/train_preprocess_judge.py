"""Train the judgement: what kind of picture it is, and whether it is damaged, noisy, faded, toned.

    make train-preprocess_judge              # configs/preprocess_judge.fast.toml
    python -m training.train_preprocess_judge --minutes 20 --threads 1

Pictures are made by training/judged/ from photographs and real old prints; some files of both are kept for validation.
On these the logits are scaled so that their probabilities are true (Guo et al., 2017); the scales are multiplied into
the last layer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.precision import FLOAT32
from photorestore.stages.preprocess.judgement import glimpse
from photorestore.stages.preprocess.network import KINDS, JudgeNet
from training.batch_norm import bound_statistics, freeze_statistics
from training.config import RunConfig, read_config
from training.data import Batch, make_batch
from training.judged import make_sample
from training.judged.load import load_sources
from training.judged.pictures import UNKNOWN, Sources
from training.judgement_validation import calibrate, evaluate, logits_of
from training.muon import MuonAdamW
from training.place import Place, command_line, place_of
from training.randomness import pick
from training.run import Run

EVALUATE_EVERY = 400
AGAIN, KEPT = 3, 240
"""Batches that are learned from again for each new one, and how many are kept for that."""


@dataclass(frozen=True, slots=True)
class Config(RunConfig):
    """One training run."""

    widths: tuple[int, int, int]  # channels at stride 4, 8, 16
    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    validation_every: (
        int  # every n-th photograph of a folder, and every n-th old print, is kept for validation
    )
    validation_samples: int  # pictures made of those
    frozen_share: float  # of the time, at the end, with the statistics of batch normalisation as in use


def seen_again(samples: Iterator[Batch], seed: int) -> Iterator[Batch]:
    """Yield new batches and, between them, `AGAIN` mixed from the last: pictures cost more to make than to learn."""
    rng = torch.Generator().manual_seed(seed)
    kept: deque[Batch] = deque(maxlen=KEPT)
    while True:
        kept.append(next(samples))
        yield kept[-1]
        for _ in range(AGAIN if len(kept) > 8 else 0):
            first, second = (pick(kept, rng) for _ in range(2))
            half = len(first[0]) // 2
            yield tuple(
                torch.cat([one[:half], other[half:]]) for one, other in zip(first, second, strict=True)
            )


def judgement_loss(logits: Tensor, kind: Tensor, flags: Tensor) -> Tensor:
    """Return the cross-entropy of the kinds and of each flag, over what is known."""
    by_kind = F.cross_entropy(logits[:, : len(KINDS)], kind, ignore_index=-1, label_smoothing=0.02)
    known = (flags != UNKNOWN).float()
    by_flag = F.binary_cross_entropy_with_logits(
        logits[:, len(KINDS) :], flags.clamp_min(0), weight=known, reduction="sum"
    )
    return by_kind + 2 * by_flag / known.sum().clamp_min(1)


def as_input(view: Tensor, crops: Tensor) -> tuple[Tensor, Tensor]:
    """Return views and crops in [0, 1]; flipped, upright and level, together."""
    axes = [axis for axis in (-1, -2) if torch.rand(()) < 0.5]
    return view.flip(axes).float() / 255, crops.flip(axes).float() / 255


def whole_pictures(images: Sequence[Tensor]) -> Batch:
    """Return the views and crops of pictures as they are."""
    views, crops = zip(*(glimpse(image.numpy()) for image in images), strict=True)
    return torch.from_numpy(np.stack(views)), torch.from_numpy(np.stack(crops))


@dataclass(frozen=True, slots=True)
class Validation:
    """Pictures that a judgement is measured by.

    Attributes:
        made: pictures that are made of what is held out, as `make_sample` gives them.
        whole: views and crops of held-out pictures as they are, by kind.
    """

    made: Batch
    whole: dict[str, Batch]


def make_validation(unseen: Sources, count: int) -> Validation:
    """Make `count` pictures, always the same, of what is held out."""
    made = make_batch(partial(make_sample, unseen), count, torch.Generator().manual_seed(0))
    whole = {
        "photograph": whole_pictures([photo for folder in unseen.folders for photo in folder[:16]]),
        "print": whole_pictures([print_.image for print_ in unseen.prints]),
    }
    return Validation(made, whole)


def train(config: Config, place: Place) -> JudgeNet:
    """Train the judgement, write its weights, and return it."""
    place.prepare()

    # 1. Pictures; a part is kept for validation.
    sources, unseen = load_sources(place.data, config.photos, config.validation_every)
    validation = make_validation(unseen, config.validation_samples)

    # 2. Network and optimiser.
    torch.manual_seed(config.seed)
    network = place.take(JudgeNet(config.widths))
    optimiser = MuonAdamW(network, config.learning_rate, betas=(0.9, 0.99), weight_decay=1e-3)
    run = Run("preprocess_judge", place, config, network, optimiser)
    samples = seen_again(run.samples(partial(make_sample, sources)), config.seed + run.step)

    # 3. The loop.
    for progress in run.progress():
        if progress > 1 - config.frozen_share:
            freeze_statistics(network)
        view, crops, kind, flags = next(samples)
        with place.autocast():
            logits = network(*as_input(view, crops))
        run.learn(judgement_loss(logits.float(), kind, flags), progress)
        if run.step % EVALUATE_EVERY == 0:
            runner = place.runner(run.averaged(), FLOAT32)
            run.record(evaluate(runner, validation.made, validation.whole))

    # 4. The averaged weights, calibrated.
    trained = run.averaged()
    bound_statistics(trained)
    runner = place.runner(trained, FLOAT32)
    calibrate(trained, logits_of(runner, validation.made), validation.made)
    run.finish(
        trained,
        evaluate(runner, validation.made, validation.whole),
        architecture={"widths": config.widths},
        data="CC0/CC-BY photographs, BSDS400, OSIE, ImageNet, SUN-Hays, faces; real old prints; "
        "damage stamps, film scan labels, crack shapes, paper textures; drawings made in code",
        licence="BSDS500, ImageNet, CrackForest: academic use; see docs/models/preprocess_judge.md",
    )
    return trained


def main() -> None:
    arguments = command_line("preprocess_judge", __doc__, "workers").parse_args()
    train(read_config(Config, arguments.config), place_of(arguments))


if __name__ == "__main__":
    main()
