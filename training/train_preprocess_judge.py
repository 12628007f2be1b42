"""Train the judgement: what kind of picture it is, and whether it is damaged, noisy, faded, toned.

    make train-preprocess_judge              # configs/preprocess_judge.fast.toml
    python -m training.train_preprocess_judge --minutes 20 --threads 1

Pictures are made by training/judged.py of photographs and real old prints; of both, a part is kept for validation by
file. There logits are scaled so that their probabilities are true (Guo et al., 2017), which the last layer takes over.
"""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.stages.preprocess.judgement import glimpse
from photorestore.stages.preprocess.network import FLAGS, KINDS, JudgeNet
from training.data import Batch, hold_out, load_photos, make_batch, read_photo, sample_batches
from training.degradations.sources import load_crack_shapes, load_damage_sources
from training.judged import make_sample
from training.judged.pictures import UNKNOWN, RealPrint, Sources
from training.marked import ANNOTATIONS, TEST_PRINTS, VALIDATION_PRINTS
from training.muon import MuonAdamW
from training.randomness import pick
from training.run import Run, add_workers, parse_arguments, read_config
from training.train_scratch import bound_statistics, freeze_statistics

EVALUATE_EVERY = 400
DAMAGED_TIMES = 3
"""How often a print of the damaged set is drawn, against one of the others."""
AGAIN, KEPT = 3, 240
"""Batches that are learned from again for each new one, and how many are kept for that."""
TEMPERATURES = torch.logspace(-0.7, 0.7, 57)


@dataclass(frozen=True, slots=True)
class Config:
    """One training run."""

    tier: str  # name of the weights' tier
    widths: tuple[int, int, int]  # channels at stride 4, 8, 16
    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    validation_every: int  # each so-many-th photograph of a folder, and old print, is kept for validation
    validation_samples: int  # pictures made of those
    batch_size: int
    total_steps: int
    learning_rate: float
    final_learning_rate: float
    ema_decay: float
    frozen_share: float  # of the time, at the end, with the statistics of batch normalisation as in use
    seed: int


def load_sources(data: Path, config: Config, annotations: Path = ANNOTATIONS) -> tuple[Sources, Sources]:
    """What training and validation pictures are made of."""
    folders = [load_photos([data / name], min_side_px=96) for name in config.photos]
    held_out = [folder[:: config.validation_every] for folder in folders]
    _, folders = hold_out(folders, config.validation_every)
    real, damaged = load_prints(data, annotations), load_damaged(data)
    kept = {*list(real)[:: config.validation_every], *VALIDATION_PRINTS}
    train = [print_ for name, print_ in real.items() if name not in kept]
    train += DAMAGED_TIMES * [print_ for name, print_ in damaged.items() if name not in kept]
    unseen = [print_ for name, print_ in (real | damaged).items() if name in kept]
    return (
        Sources(folders, train, load_damage_sources(data, held_out=False), load_crack_shapes(data, held_out=False)),
        Sources(
            held_out, unseen,
            load_damage_sources(data, held_out=False, validation=True),
            load_crack_shapes(data, held_out=False, validation=True),
        ),
    )  # fmt: skip


def load_prints(data: Path, annotations: Path) -> dict[str, RealPrint]:
    """The real old photographs by name; who has looked at them says whether they are damaged."""
    folder = annotations / "old_real"
    sound = set((folder / "sound.txt").read_text().split())
    marked = {file.stem for file in folder.glob("*.txt")}
    return {
        file.stem: RealPrint(
            read_photo(file), 0.0 if file.stem in sound else 1.0 if file.stem in marked else UNKNOWN
        )
        for file in sorted((data / "domain" / "old_real").glob("*.jpg"))
    }


def load_damaged(data: Path) -> dict[str, RealPrint]:
    """The damaged prints by name, without those that are kept for tests."""
    files = sorted((data / "domain" / "old_damaged").glob("*.*"))
    return {file.stem: RealPrint(read_photo(file), 1.0) for file in files if file.stem not in TEST_PRINTS}


def seen_again(samples: Iterator[Batch], seed: int) -> Iterator[Batch]:
    """New batches, and between them `AGAIN` mixed from the last ones: pictures cost more to make than to learn from."""
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
    """Cross-entropy of the kinds and of each flag, over what is known."""
    by_kind = F.cross_entropy(logits[:, : len(KINDS)], kind, ignore_index=-1, label_smoothing=0.02)
    known = (flags != UNKNOWN).float()
    by_flag = F.binary_cross_entropy_with_logits(
        logits[:, len(KINDS) :], flags.clamp_min(0), weight=known, reduction="sum"
    )
    return by_kind + 2 * by_flag / known.sum().clamp_min(1)


def as_input(view: Tensor, crops: Tensor) -> tuple[Tensor, Tensor]:
    """In [0, 1]; flipped, upright and level, together."""
    axes = [axis for axis in (-1, -2) if torch.rand(()) < 0.5]
    return view.flip(axes).float() / 255, crops.flip(axes).float() / 255


@torch.inference_mode()
def logits_of(network: nn.Module, batch: Batch, size: int = 32) -> Tensor:
    """Logits of a large batch, (N, 9) on the CPU."""
    network.eval()
    parts = [
        network(view.float() / 255, crops.float() / 255)
        for view, crops in zip(batch[0].split(size), batch[1].split(size), strict=True)
    ]
    return torch.cat(parts).cpu()


def evaluate(network: nn.Module, batch: Batch, pictures: dict[str, Batch]) -> dict[str, float]:
    """Accuracy of the kinds, precision and recall of the flags, and how many whole pictures are known for their kind.

    Args:
        batch: made pictures, as `make_sample` gives them.
        pictures: whole ones as they are, by kind.
    """
    _, _, kind, flags = batch
    logits = logits_of(network, batch)
    chosen, known = logits[:, : len(KINDS)].argmax(1), kind >= 0
    metrics = {"accuracy": float((chosen == kind)[known].float().mean())}
    for index, name in enumerate(KINDS):
        metrics[name] = float((chosen == index)[kind == index].float().mean())
    for index, name in enumerate(FLAGS):
        told, truth = logits[:, len(KINDS) + index] > 0, flags[:, index]
        hits = float((told & (truth == 1)).sum())
        metrics[f"{name}_recall"] = hits / max(1.0, float((truth == 1).sum()))
        metrics[f"{name}_precision"] = hits / max(1.0, float((told & (truth != UNKNOWN)).sum()))
    for name, whole in pictures.items():
        guesses = logits_of(network, whole)[:, : len(KINDS)].argmax(1)
        metrics[f"whole_{name}"] = float((guesses == KINDS.index(name)).float().mean())
    network.train()
    return metrics


def whole_pictures(images: Sequence[Tensor]) -> Batch:
    """Views and crops of pictures as they are."""
    views, crops = zip(*(glimpse(image.numpy()) for image in images), strict=True)
    return torch.from_numpy(np.stack(views)), torch.from_numpy(np.stack(crops))


@torch.no_grad()
def calibrate(network: nn.Module, batch: Batch) -> None:
    """Divide the logits of the kinds, and those of each flag, by what makes their probabilities likeliest."""
    _, _, kind, flags = batch
    logits, last = logits_of(network, batch), network.head[-1]
    _divide(last, slice(0, len(KINDS)), lambda scaled: F.cross_entropy(scaled, kind, ignore_index=-1), logits)
    for index in range(len(FLAGS)):
        place, truth = slice(len(KINDS) + index, len(KINDS) + index + 1), flags[:, index : index + 1]
        known = truth != UNKNOWN
        _divide(last, place, partial(_flag_loss, truth=truth, known=known), logits)
    network.train()


def _flag_loss(scaled: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(scaled[known], truth[known])


def _divide(last: nn.Linear, place: slice, loss: Callable[[Tensor], Tensor], logits: Tensor) -> None:
    best = min(TEMPERATURES.tolist(), key=lambda temperature: float(loss(logits[:, place] / temperature)))
    last.weight[place] /= best
    last.bias[place] /= best


def add_more(parser: argparse.ArgumentParser) -> None:
    add_workers(parser)
    parser.add_argument("--annotations", type=Path, default=ANNOTATIONS, help="which old prints are damaged")


def main() -> None:
    arguments = parse_arguments("preprocess_judge", __doc__ or "", add_more)
    config = read_config(Config, arguments.config)
    device = arguments.device

    # 1. Pictures; a part is kept for validation.
    sources, unseen = load_sources(arguments.data, config, arguments.annotations)
    made = make_batch(
        lambda rng: make_sample(unseen, rng), config.validation_samples, torch.Generator().manual_seed(0)
    )
    pictures = {
        "photograph": whole_pictures([photo for folder in unseen.folders for photo in folder[:16]]),
        "print": whole_pictures([print_.image for print_ in unseen.prints]),
    }
    made, pictures = _to(made, device), {name: _to(batch, device) for name, batch in pictures.items()}

    # 2. Network and optimiser.
    torch.manual_seed(config.seed)
    network = JudgeNet(config.widths).to(device, memory_format=torch.channels_last)
    optimiser = MuonAdamW(network, config.learning_rate, betas=(0.9, 0.99), weight_decay=1e-3)
    run = Run("preprocess_judge", arguments, config, network, optimiser)
    samples = sample_batches(
        lambda rng: make_sample(sources, rng),
        config.batch_size,
        config.seed + run.step,
        arguments.workers,
        device,
    )

    batches = seen_again(samples, config.seed + run.step)

    # 3. The loop.
    for progress in run.progress():
        if progress > 1 - config.frozen_share:
            freeze_statistics(network)
        view, crops, kind, flags = next(batches)
        with torch.autocast(device, torch.bfloat16):
            logits = network(*as_input(view, crops))
        run.learn(judgement_loss(logits.float(), kind, flags), progress)
        if run.step % EVALUATE_EVERY == 0:
            run.record(evaluate(run.averaged(JudgeNet(config.widths)).to(device), made, pictures))

    # 4. The averaged weights, calibrated.
    trained = run.averaged(JudgeNet(config.widths)).to(device)
    bound_statistics(trained)
    calibrate(trained, made)
    run.finish(
        trained,
        evaluate(trained, made, pictures),
        architecture={"widths": config.widths},
        data="CC0/CC-BY photographs, BSDS400, OSIE, ImageNet, SUN-Hays, faces; real old prints; "
        "damage stamps, film scan labels, crack shapes, paper textures; drawings made in code",
        licence="BSDS500, ImageNet, CrackForest: academic use; see docs/models/preprocess_judge.md",
    )


def _to(batch: Batch, device: str) -> Batch:
    return tuple(part.to(device) for part in batch)


if __name__ == "__main__":
    main()
