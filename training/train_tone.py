"""Train the network that says how to lift a faded picture's tone and colours.

    python -m training.train_tone --threads 1 --minutes 15

A photograph is seen as a whole, 64 px wide and high, faded by `degradations.faded_tone`; the loss is the distance of
the corrected view from what it was. Fifteen minutes on a busy core bring held-out pictures from 18.7 to 23.9 dB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.fidelity import psnr
from photorestore.networks.runner import Runner
from photorestore.stages.translate.tone_network import VIEW_PX, Correction, ToneNetwork, apply, quantiles_of
from training.config import RunConfig, read_config
from training.data import batches, hold_out, load_photos
from training.degradations.faded_tone import Aged, age
from training.place import Place, command_line, place_of
from training.run import Run

KEPT_PX = 128
"""Sides that photographs are kept with; views are cut out of that."""
EVALUATE_EVERY = 500
VALIDATION_BATCH = 64


@dataclass(frozen=True, slots=True)
class Config(RunConfig):
    """One training run; see the comments in training/configs/translate_tone.fast.toml."""

    widths: tuple[int, ...]
    hidden: int
    photos: tuple[str, ...]
    validation_every: int


def squashed(photos: Sequence[Tensor]) -> Tensor:
    """Resize photographs of any shape to (N, 3, KEPT_PX, KEPT_PX), uint8."""
    size = (KEPT_PX, KEPT_PX)
    return torch.cat(
        [
            F.interpolate(photo[None].float(), size, mode="bilinear", antialias=True).round().byte()
            for photo in photos
        ]
    )


def draw_views(kept: Tensor, batch_size: int, rng: torch.Generator) -> Tensor:
    """Cut random squares out of random photographs, half of them flipped: (N, 3, VIEW_PX, VIEW_PX) in [0, 1]."""
    chosen = kept[torch.randint(0, len(kept), (batch_size,), generator=rng)].float() / 255
    share = VIEW_PX / KEPT_PX + (1 - VIEW_PX / KEPT_PX) * torch.rand(batch_size, generator=rng)
    sign = torch.where(torch.rand(batch_size, generator=rng) < 0.5, -1.0, 1.0)
    centre = (2 * torch.rand((batch_size, 2), generator=rng) - 1) * (1 - share)[:, None]
    zero = torch.zeros(batch_size)
    theta = torch.stack([sign * share, zero, centre[:, 0], zero, share, centre[:, 1]], 1).view(-1, 2, 3)
    grid = F.affine_grid(theta, [batch_size, 3, VIEW_PX, VIEW_PX], align_corners=False)
    return F.grid_sample(chosen, grid, padding_mode="reflection", align_corners=False).clamp(0, 1)


def tone_loss(pred: Tensor, gt: Tensor, known: Tensor) -> Tensor:
    """Return the mean distance, and root mean square error by picture, where the picture is known."""
    error = (pred - gt) * known
    return error.abs().mean() + (error.square().mean((1, 2, 3)) + 1e-6).sqrt().mean()


def evaluate(network: Runner[Correction], held: Sequence[Aged]) -> dict[str, float]:
    """Return the mean PSNR (dB) of held-out views, faded and corrected."""
    figures: dict[str, list[float]] = {"psnr_faded_db": [], "psnr_db": []}
    for lq, gt, known in held:
        pred = apply(lq, network(lq, quantiles_of(lq))).clamp(0, 1)
        for name, images in (("psnr_faded_db", lq), ("psnr_db", pred)):
            figures[name] += [
                min(50.0, psnr(*pair, mask=mask)) for *pair, mask in zip(images, gt, known, strict=True)
            ]
    return {name: sum(values) / len(values) for name, values in figures.items()}


def load(config: Config, place: Place) -> tuple[Tensor, list[Aged]]:
    """Read photographs to learn from, (N, 3, KEPT_PX, KEPT_PX), and make faded views of those that are held out."""
    folders = [load_photos([place.data / folder], min_side_px=VIEW_PX) for folder in config.photos]
    held_out, kept = hold_out(folders, config.validation_every)
    photos = squashed([photo for folder in kept for photo in folder])
    views = F.interpolate(squashed(held_out).float() / 255, (VIEW_PX, VIEW_PX), mode="bilinear")
    print(f"{len(photos)} photographs, {len(views)} held out", flush=True)
    rng = torch.Generator().manual_seed(0)
    return photos, [age(part, rng) for part in views.split(VALIDATION_BATCH)]


def train(config: Config, place: Place) -> ToneNetwork:
    """Train the network that lifts tone, on a CPU; write its weights, and return it."""
    place.prepare()

    # 1. Photographs, a part of them for validation.
    photos, held = load(config, place)

    # 2. Network and optimiser.
    torch.manual_seed(config.seed)
    network = ToneNetwork(config.widths, config.hidden)
    optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=1e-4)
    run = Run("translate_tone", place, config, network, optimiser)
    samples = batches(
        lambda rng: age(draw_views(photos, config.batch_size, rng), rng), 1, config.seed + run.step
    )

    # 3. The loop.
    for progress in run.progress():
        lq, gt, known = (part[0] for part in next(samples))
        pred = apply(lq, network(lq, quantiles_of(lq)))
        run.learn(tone_loss(pred, gt, known), progress)
        if run.step % EVALUATE_EVERY == 0:
            run.record(evaluate(place.runner(run.averaged()), held))

    # 4. The averaged weights.
    trained = run.averaged()
    run.finish(
        trained,
        evaluate(place.runner(trained), held),
        architecture={"widths": config.widths, "hidden": config.hidden},
        data="BSDS400 train and test parts, photographs with free terms, OSIE, ImageNet (620 pictures), SUN-Hays 80",
        licence="academic and unstated licences among others; see docs/models/translate.md",
    )
    return trained


def main() -> None:
    arguments = command_line("translate_tone", __doc__).parse_args()
    train(read_config(Config, arguments.config), place_of(arguments))


if __name__ == "__main__":
    main()
