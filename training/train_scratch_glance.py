"""Train the glance of `scratch`: in which cells of a photograph the detector would find anything that counts.

    python -m training.train_scratch_glance --minutes 6 --threads 1

It learns from what the detector encodes and says, see `training.glance_samples`, so it is to be trained again when the
detector has been. Missed cells weigh more than false ones. The threshold is chosen on held-out photographs, damaged and
as they are, so that nearly all that was marked still is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.precision import AUTO
from photorestore.stages.scratch.glance_network import Glance
from photorestore.stages.scratch.masks import CERTAIN_IN_OTHERS
from photorestore.stages.scratch.network import ScratchUNet
from training.batch_norm import freeze_statistics
from training.config import RunConfig, read_config
from training.damaged_samples import DRAWN_SHEETS, Pictures, Shares, draw_sheets, load_sound_old
from training.data import hold_out, load_photos, repeated
from training.degradations.sources import load_crack_shapes, load_damage_sources
from training.detectors import Detector, load_detector
from training.glance_samples import Plan, draw, make
from training.glance_validation import Held, evaluate, hold
from training.muon import MuonAdamW
from training.place import Place, command_line, place_of
from training.run import Run

EVALUATE_EVERY = 500
CERTAIN_LOGIT = math.log(CERTAIN_IN_OTHERS / (1 - CERTAIN_IN_OTHERS))
LIMITS = (0.0, 2.5, 5.0, CERTAIN_LOGIT)
"""Logits of the detector that the glance tells apart: cells that nearly count are rare enough for it to know them."""
STEEPNESS = 2.0
"""Of the targets around a limit, since the detector is not the same to the last bit when a picture is turned."""
MISSED_WEIGHT = 4.0
"""What a missed cell weighs against a false one."""


@dataclass(frozen=True, slots=True)
class Config(RunConfig):
    """One training run."""

    widths: tuple[int, ...]  # of the detector
    photos: tuple[str, ...]  # folders of clean photographs, below the data root
    repeats: tuple[int, ...]  # how often a photograph of each folder is drawn, against one of the others
    min_side_px: int  # photographs with a shorter side are left out
    validation_every: int  # every n-th photograph of a folder is kept for validation
    frozen_share: float  # of the time, at the end, with the statistics of batch normalisation as in use
    shares: tuple[float, ...]  # of the kinds of samples, in the order of `damaged_samples.Shares`
    plain_share: float  # of samples that are sound photographs as they are
    patch_px: int
    samples: int  # how many the detector looks at


def glance_loss(glance_logits: Tensor, most: Tensor) -> Tensor:
    """Return the cross-entropy of whether cells reach each of `LIMITS`; a missed one weighs `MISSED_WEIGHT`.

    Args:
        glance_logits: what the glance takes for `most`, (N, 1, h, w).
        most: the greatest logit that the detector gives in each cell.
    """
    limits = torch.tensor(LIMITS, device=most.device)
    return F.binary_cross_entropy_with_logits(
        glance_logits[..., None] - limits,
        (STEEPNESS * (most[..., None] - limits)).sigmoid(),
        pos_weight=torch.tensor(MISSED_WEIGHT, device=most.device),
    )


def load(config: Config, place: Place, detector: Detector) -> tuple[tuple[Tensor, Tensor], Sequence[Held]]:
    """Make, or read again, what is learned from and what is kept for validation."""
    folders = [load_photos([place.data / name], min_side_px=config.min_side_px) for name in config.photos]
    held_out, folders = hold_out(folders, config.validation_every)
    photos = repeated(folders, config.repeats)
    pictures = Pictures(
        photos,
        load_damage_sources(place.data, held_out=False),
        load_crack_shapes(place.data, held_out=False),
        (),
        draw_sheets(photos, DRAWN_SHEETS),
        load_sound_old(place.data, config.patch_px),
    )
    plan = Plan(Shares(*config.shares), config.plain_share, config.patch_px, config.samples, config.seed)
    folder = place.runs / "scratch_glance.samples"
    return make(folder, plan, pictures, detector), hold(folder, place.data, held_out, detector)


@torch.no_grad()
def fold_threshold(network: Glance, threshold: float) -> None:
    """Shift the last bias so that a logit of 0 decides where `threshold` did."""
    last = network.layers[-1]
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    last.bias -= threshold


def train(config: Config, place: Place) -> Glance:
    """Train the glance, write its weights, and return it."""
    place.prepare()

    # 1. What the detector encodes and finds; a part is kept for validation.
    detector = load_detector("scratch", place.weights, AUTO)
    (features, most), held = load(config, place, detector)

    # 2. Network and optimiser.
    torch.manual_seed(config.seed)
    network = place.take(Glance(config.widths))
    assert isinstance(detector.network.network, ScratchUNet)
    network.tail.copy_(detector.network.network.tail.weight)
    optimiser = MuonAdamW(network, config.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4)
    run = Run("scratch_glance", place, config, network, optimiser)
    rng = torch.Generator().manual_seed(config.seed + run.step)
    batches = draw(features, most, config.batch_size, rng)

    # 3. The loop.
    for progress in run.progress():
        if progress > 1 - config.frozen_share:
            freeze_statistics(network)
        encoded, found = (part.to(place.device) for part in next(batches))
        with place.autocast():
            glance_logits = network.judge(encoded.contiguous(memory_format=torch.channels_last))
        run.learn(glance_loss(glance_logits, found), progress)
        if run.is_due(EVALUATE_EVERY):
            run.record(evaluate(place.runner(run.averaged()), held))

    # 4. The averaged weights with their threshold folded in.
    trained = run.averaged()
    fold_threshold(trained, evaluate(place.runner(trained), held)["threshold"])
    run.finish(
        trained,
        evaluate(place.runner(trained), held, threshold=0.0),
        architecture={"widths": config.widths},
        data="CC0/CC-BY photographs, BSDS400, OSIE, ImageNet, SUN-Hays, CC-BY portraits; "
        "damage stamps, film scan labels; what `scratch` finds in them",
        licence="BSDS500, ImageNet: academic use; see docs/models/scratch.md",
    )
    return trained


def main() -> None:
    arguments = command_line("scratch_glance", __doc__).parse_args()
    train(read_config(Config, arguments.config), place_of(arguments))


if __name__ == "__main__":
    main()
