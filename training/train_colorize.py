"""Train the network that guesses the colours of grey photographs.

    python -m training.train_colorize --threads 1 --minutes 100

A photograph's lightness, made like that of an old print, is seen by the frozen trunk of EfficientNet-Lite0; the decoder
learns which bins of a and b the photograph's colours belong to, rare ones more than common ones. A hundred minutes on
a busy core.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.weights import load_network
from photorestore.pixels.lab import grey_of, lab_of
from photorestore.stages.colorize.bins import SIDE, cells_in_gamut, colours_of, corners_of
from photorestore.stages.colorize.network import BINS, ColorizeNetwork
from photorestore.stages.colorize.sight import Sight, view_of
from photorestore.stages.preprocess.scene import TRUNK
from photorestore.stages.preprocess.scene_network import SceneTrunk
from training.config import RunConfig, read_config
from training.data import Batch, hold_out, load_photos
from training.muon import MuonAdamW
from training.place import Place, command_line, place_of
from training.randomness import chance, pick, randint, uniform
from training.run import Run

KEPT_PX = 320
"""Longest side that photographs are kept with."""
PATCH_PX = 192
"""Sides of what is cut out of them; the short side of a view of 4:3."""
LEAST_CHROMA = 4.0
"""Photographs with less on average are grey, or toned."""
EVALUATE_EVERY = 400


@dataclass(frozen=True, slots=True)
class Config(RunConfig):
    """One training run; see the comments in training/configs/colorize.fast.toml."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    dropped: float
    photos: tuple[str, ...]
    faces: tuple[str, ...]
    faces_share: float
    validation_every: int
    evenness: float
    rebalancing: float


def load(folders: Sequence[str], every: int, place: Place) -> tuple[list[Tensor], list[Tensor]]:
    """Read colour photographs, uint8 (3, H, W), at most `KEPT_PX` long: some to evaluate on, and the others."""
    read = [[_kept(photo) for photo in load_photos([place.data / name], min_side_px=100)] for name in folders]
    coloured = [[photo for photo in photos if _chroma(photo) >= LEAST_CHROMA] for photos in read]
    held, rest = hold_out(coloured, every)
    return held, [photo for photos in rest for photo in photos]


def _kept(photo: Tensor) -> Tensor:
    shrink = min(1.0, KEPT_PX / max(photo.shape[-2:]))
    size = [round(shrink * side) for side in photo.shape[-2:]]
    return F.interpolate(photo[None].float(), size, mode="bilinear", antialias=True)[0].round().byte()


def _chroma(photo: Tensor) -> float:
    return float(lab_of(photo[None, :, ::4, ::4].float() / 255)[:, 1:].norm(dim=1).mean())


def draw_sample(
    photos: Sequence[Tensor], faces: Sequence[Tensor], share: float, rng: torch.Generator
) -> Batch:
    """Cut a square out of a photograph: what is seen of it, (1, P, P), and its a and b, (2, P/4, P/4)."""
    photo = pick(faces if chance(share, rng) else photos, rng)
    side_px = round(min(photo.shape[-2:]) * uniform(0.6, 1.0, rng))
    y, x = (randint(0, side - side_px + 1, rng) for side in photo.shape[-2:])
    patch = photo[None, :, y : y + side_px, x : x + side_px].float() / 255
    patch = F.interpolate(patch, (PATCH_PX, PATCH_PX), mode="bilinear", antialias=True).clamp(0, 1)
    if chance(0.5, rng):
        patch = patch.flip(-1)
    lab = lab_of(patch)
    view = grey_of(lab[:, :1]) if chance(0.5, rng) else _as_film_sees(patch, rng)
    return aged(view, rng)[0], F.avg_pool2d(lab[:, 1:], 4)[0]


def _as_film_sees(patch: Tensor, rng: torch.Generator) -> Tensor:
    """Return the grey of a film that sees colours differently: old ones saw blue, and hardly any red."""
    weights = torch.rand(3, generator=rng) * torch.tensor([0.6, 1.0, 0.6]) + 0.05
    return (patch * (weights / weights.sum()).view(3, 1, 1)).sum(1, keepdim=True)


def aged(view: Tensor, rng: torch.Generator) -> Tensor:
    """Fade, blur and grain a grey view (1, 1, H, W) in [0, 1], each with a chance of its own."""
    if chance(0.4, rng):
        sigma = uniform(0.4, 1.8, rng)
        taps = torch.exp(-0.5 * (torch.arange(-4, 5) / sigma) ** 2)
        taps = taps / taps.sum()
        padded = F.pad(view, (4, 4, 4, 4), mode="reflect")
        view = F.conv2d(F.conv2d(padded, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))
    if chance(0.5, rng):
        black, white = uniform(0, 0.25, rng), uniform(0.7, 1, rng)
        view = black + (white - black) * view.clamp(1e-4, 1) ** math.exp(uniform(-0.4, 0.4, rng))
    if chance(0.5, rng):
        grain = torch.randn(view.shape, generator=rng)
        if chance(0.5, rng):
            grain = 2 * F.avg_pool2d(grain, 3, 1, 1)
        view = view + uniform(0, 0.06, rng) * grain
    return view.clamp(0, 1)


@dataclass(frozen=True, slots=True)
class Bins:
    """Bins as the loss needs them.

    Attributes:
        number: (SIDE * SIDE,) which bin a cell is; cells without a bin count as that of grey.
        weight: (BINS,) how much a colour in a bin counts; 1 on average over photographs.
        expected: (BINS,) logarithms of the likelihoods that are best where nothing is known.
    """

    number: Tensor
    weight: Tensor
    expected: Tensor

    @classmethod
    def of(cls, photos: Sequence[Tensor], config: Config) -> Bins:
        """Count what photographs hold, and weigh the bins."""
        cells = cells_in_gamut()
        grey = corners_of(torch.zeros(1, 2, 1, 1))[0][0, 0]
        number = torch.full((SIDE * SIDE,), int(torch.searchsorted(cells, grey)))
        number[cells] = torch.arange(BINS)
        counted = torch.zeros(BINS)
        for photo in photos:
            at, shares = corners_of(lab_of(photo[None, :, ::6, ::6].float() / 255)[:, 1:])
            counted.index_add_(0, number[at].flatten(), shares.flatten())
        common = counted / counted.sum()
        evened = (1 - config.evenness) * common + config.evenness / BINS
        weight = evened**-config.rebalancing
        return cls(number, weight / (common * weight).sum(), (common * weight).clamp_min(1e-7).log())

    def loss(self, logits: Tensor, ab: Tensor) -> Tensor:
        """Return the mean cross-entropy of likelihoods (N, BINS, H, W) and colours (N, 2, H, W)."""
        cells, shares = corners_of(ab)
        numbers = self.number[cells]
        entropy = -(logits.float().log_softmax(1).gather(1, numbers) * shares).sum(1)
        return (entropy * (self.weight[numbers] * shares).sum(1)).mean()


def colours(logits: Tensor, temperature: float) -> Tensor:
    """Return the mean a and b, (N, 2, H, W), of likelihoods sharpened by a temperature below 1."""
    share = (logits.float() / temperature).softmax(1)
    return torch.einsum("nbhw,bc->nchw", share, colours_of(cells_in_gamut()))


def colourfulness(ab: Tensor) -> float:
    """Return how colourful (1, 2, H, W) is: deviation and mean distance from grey, after Hasler and Suesstrunk."""
    return float(ab.flatten(2).var(2).sum().sqrt() + 0.37 * ab.flatten(2).mean(2).norm())


@torch.no_grad()
def evaluate(network: ColorizeNetwork, see: Sight, held: Sequence[Tensor]) -> dict[str, float]:
    """Return errors of a and b (root mean square) and the share of colourfulness, at several temperatures."""
    errors: dict[str, list[float]] = {}
    colour: dict[str, list[float]] = {}
    for photo in held:
        lab = lab_of(view_of(photo[None].float() / 255))
        view, gt = grey_of(lab[:, :1]), F.avg_pool2d(lab[:, 1:], 4)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(view, *see(view))
        preds = {"grey": torch.zeros_like(gt)} | {f"{t:g}": colours(logits, t) for t in (1, 0.7, 0.4)}
        for name, pred in preds.items():
            errors.setdefault(name, []).append(float((pred - gt).square().mean().sqrt()))
            colour.setdefault(name, []).append(colourfulness(pred))
        colour.setdefault("gt", []).append(colourfulness(gt))
    figures = {f"rmse_{name}": sum(values) / len(values) for name, values in errors.items()}
    return figures | {
        f"colour_{name}": sum(colour[name]) / sum(colour["gt"]) for name in errors if name != "grey"
    }


def load_sight(place: Place) -> Sight:
    """Load the frozen network whose layers look at the views."""
    trunk = load_network(TRUNK, root=place.weights)
    assert isinstance(trunk, SceneTrunk)
    return Sight(trunk.stem, trunk.groups)


def train(config: Config, place: Place) -> ColorizeNetwork:
    """Train the network that guesses colours, on a CPU; write its weights, and return it."""
    place.prepare()

    # 1. Photographs, a part of them for validation.
    held, photos = load(config.photos, config.validation_every, place)
    held_faces, faces = load(config.faces, 8 * config.validation_every, place)
    print(
        f"{len(photos)} photographs, {len(faces)} faces, {len(held)} and {len(held_faces)} held out",
        flush=True,
    )

    # 2. Networks and optimiser.
    torch.manual_seed(config.seed)
    bins, see = Bins.of(photos, config), load_sight(place)
    network = place.take(ColorizeNetwork(config.widths, config.depths, config.dropped))
    nn.init.zeros_(network.head.weight)
    network.head.bias = nn.Parameter(bins.expected)
    optimiser = MuonAdamW(network, config.learning_rate, betas=(0.9, 0.99), weight_decay=0.05)
    run = Run("colorize", place, config, network, optimiser)
    samples = run.samples(partial(draw_sample, photos, faces, config.faces_share))

    # 3. The loop.
    for progress in run.progress():
        view, ab = next(samples)
        with place.autocast():
            with torch.no_grad():
                seen = see(view)
            logits = network(view, *seen)
        run.learn(bins.loss(logits, ab), progress)
        if run.is_due(EVALUATE_EVERY):
            run.record(evaluate(run.averaged(), see, held + held_faces))

    # 4. The averaged weights.
    trained = run.averaged()
    run.finish(
        trained,
        evaluate(trained, see, held + held_faces),
        architecture={"widths": config.widths, "depths": config.depths},
        data="BSDS400 train and test parts, photographs with free terms, OSIE, ImageNet (620 pictures), SUN-Hays 80, "
        "faces (AAF, CC-BY portraits); over the trunk of EfficientNet-Lite0",
        licence="academic and unstated licences among others; see docs/models/colorize.md",
    )
    return trained


def main() -> None:
    arguments = command_line("colorize", __doc__).parse_args()
    train(read_config(Config, arguments.config), place_of(arguments))


if __name__ == "__main__":
    main()
