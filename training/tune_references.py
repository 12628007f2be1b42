"""Fit by what `colorize.matching` tells whether a reference has to do with the picture; prints, changes nothing.

    python -m training.tune_references --data ../shared/data/train

Photographs, half of them aged as old prints are, meet references that have less and less to do with them: another crop,
turned, of other exposure; a small part; a neighbour that overlaps by a third, and one that does not overlap; these are
related. Another photograph of the same kind, and any other photograph, are not. A logistic regression over the evidence
of `Found`, in which related and unrelated ones count alike, gives `ACCEPTANCE`. On photographs held out of it both
rates of errors are printed, and by degree what references gain over what was learned (PSNR of a and b of the view): if
all are believed, and as they are judged.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.runner import load_runner
from photorestore.pixels.lab import encoded, grey_of, lab_of, linear_of
from photorestore.stages.colorize.matching import (
    LEAST_ACCEPTED,
    Acceptance,
    Evidence,
    Matched,
    See,
    find,
    judged,
    likelihood,
)
from photorestore.stages.colorize.methods import Guess, View, corrected, learned
from photorestore.stages.colorize.sight import view_of
from photorestore.stages.colorize.views import sight_of
from photorestore.stages.preprocess.scene import TRUNK
from training.config import read_config
from training.place import Place
from training.randomness import chance, randint, uniform
from training.train_colorize import Config, aged, load

EXPOSURE = 0.7
"""Stops by which a reference is brighter or darker, at most."""
WHOLE = 0.95
PENALTY = 0.002
"""Penalty on the squared weights."""
AGED = 0.5
"""Share of the pictures that are faded, blurred and grained."""
DEGREES: dict[str, Callable[[Tensor, Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]] = {
    "another crop": lambda image, _, __, rng: (image, another_look(image, uniform(0.6, 0.85, rng), rng)),
    "a part": lambda image, _, __, rng: (image, another_look(image, uniform(0.35, 0.55, rng), rng)),
    "overlap of a third": lambda image, _, __, rng: _sides(image, 0.6, rng),
    "beside it": lambda image, _, __, rng: _sides(image, 0.5, rng),
    "same kind": lambda image, kin, _, rng: (image, another_look(kin, WHOLE, rng)),
    "another": lambda image, _, other, rng: (image, another_look(other, WHOLE, rng)),
}
"""Picture and reference, of a photograph, one of its kind, and any other: (1, 3, H, W) in [0, 1]."""


UNRELATED = ("same kind", "another")


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture and a reference.

    Attributes:
        degree: one of `DEGREES`.
        lab: CIELab of the picture's view (1, 3, V, U).
        lightness: (1, 1, V, U), as the picture may look after a hundred years.
        reference: CIELab of the reference's view (1, 3, v, u).
    """

    degree: str
    lab: Tensor
    lightness: Tensor
    reference: Tensor


@dataclass(frozen=True, slots=True)
class Tried:
    """A reference that was tried.

    Attributes:
        degree: one of `DEGREES`.
        likely: as fitted, that it has to do with the picture.
        believed_db, judged_db: what is gained over what was learned if it is wholly believed, and as it is judged.
    """

    degree: str
    likely: float
    believed_db: float
    judged_db: float


def another_look(image: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Cut a share of the sides out of a picture (1, 3, H, W), turn it, and make it brighter or darker."""
    h, w = (round(share * side) for side in image.shape[-2:])
    y, x = (randint(0, side - part + 1, rng) for side, part in zip(image.shape[-2:], (h, w), strict=True))
    light = linear_of(image[..., y : y + h, x : x + w]) * 2 ** uniform(-EXPOSURE, EXPOSURE, rng)
    return encoded(light.clamp(0, 1)).rot90(randint(0, 4, rng), (-2, -1))


def _sides(image: Tensor, share: float, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the left of a picture, and another look at its right."""
    width = round(share * image.shape[-1])
    return image[..., :width], another_look(image[..., -width:], WHOLE, rng)


def kin_of(images: Sequence[Tensor], see: See) -> list[int]:
    """Return for each picture the other one in which the network sees the likest on the whole."""
    seen = torch.stack([see(grey_of(lab_of(view_of(image))[:, :1]))[-1].mean((0, 2, 3)) for image in images])
    directions = F.normalize(seen - seen.mean(0), dim=1)
    return (directions @ directions.T).fill_diagonal_(-2).argmax(1).tolist()


def pairs(images: Sequence[Tensor], see: See, rng: torch.Generator) -> Iterator[Pair]:
    """Make pairs of every degree of pictures (1, 3, H, W) in [0, 1]."""
    kin = kin_of(images, see)
    for place, image in enumerate(images):
        other = images[(place + len(images) // 2) % len(images)]
        for degree, draw in DEGREES.items():
            picture, reference = draw(image, images[kin[place]], other, rng)
            lab = lab_of(view_of(picture))
            lightness = lab[:, :1]
            if chance(AGED, rng):
                lightness = lab_of(aged(grey_of(lightness), rng).expand(-1, 3, -1, -1))[:, :1]
            yield Pair(degree, lab, lightness, lab_of(view_of(reference)))


def tried(pair: Pair, see: See, guess: Guess, acceptance: Acceptance) -> Tried:
    """Colour a picture by a reference, and compare with its own colours."""
    found = find(see, pair.lightness, pair.reference)
    guessed = learned(pair.lightness, see, guess)
    gains = (
        _psnr(corrected(guessed, matched), pair.lab) - _psnr(guessed, pair.lab)
        for matched in (Matched(found.ab, found.lenient, 1.0), judged(found, acceptance))
    )
    return Tried(pair.degree, likelihood(found.evidence, acceptance), *gains)


def _psnr(view: View, lab: Tensor) -> float:
    return float(20 * np.log10(255) - 10 * (view.ab - lab[:, 1:]).square().mean().clamp_min(1e-6).log10())


def fit(evidence: Sequence[Evidence], is_related: Sequence[bool]) -> Acceptance:
    """Return the acceptance by which related references are best told from others."""
    told = torch.tensor(evidence, dtype=torch.float64)
    related = torch.tensor(is_related, dtype=torch.float64)
    weight = related / related.sum() + (1 - related) / (1 - related).sum()
    parameters = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([parameters], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        logits = told @ parameters[:2] + parameters[2]
        error = F.binary_cross_entropy_with_logits(logits, related, weight, reduction="sum")
        value = error + PENALTY * parameters[:2].square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    by_strict, by_lenient, offset = parameters.tolist()
    return by_strict, by_lenient, offset


def errors(found: Sequence[Tried]) -> tuple[float, float]:
    """Return the shares of related references that are refused, and of unrelated ones that are not."""
    related = [one.likely for one in found if one.degree not in UNRELATED]
    unrelated = [one.likely for one in found if one.degree in UNRELATED]
    refused, accepted = np.less(related, LEAST_ACCEPTED), np.greater_equal(unrelated, LEAST_ACCEPTED)
    return float(refused.mean()), float(accepted.mean())


def print_degrees(found: Sequence[Tried]) -> None:
    """Print for references of each degree how many are accepted, how likely they are, and what they gain."""
    print(f"{'':20}{'pairs':>6}{'accepted':>10}   likelihood: 5 %, median, 95 %   dB: believed, as judged")
    for degree in DEGREES:
        of_it = [one for one in found if one.degree == degree]
        low, middle, high = np.quantile([one.likely for one in of_it], (0.05, 0.5, 0.95))
        believed, as_judged = np.mean([(one.believed_db, one.judged_db) for one in of_it], 0)
        share = np.mean([one.likely >= LEAST_ACCEPTED for one in of_it])
        print(
            f"{degree:20}{len(of_it):6}{share:10.3f}   {low:15.3f} {middle:.3f} {high:.3f}"
            f"   {believed:13.2f} {as_judged:.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/train"))
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument(
        "--every", type=int, default=12, help="fit on each n-th photograph that was trained on"
    )
    arguments = parser.parse_args()
    config = read_config(Config, Path("training/configs/colorize.fast.toml"))
    held, rest = load(
        config.photos, config.validation_every, Place(arguments.data, weights=arguments.weights)
    )
    fitted, unseen = (
        [photo[None].float() / 255 for photo in part] for part in (rest[:: arguments.every], held)
    )
    see = sight_of(load_runner(TRUNK, root=arguments.weights))
    guess = load_runner("colorize", root=arguments.weights)
    rng = torch.Generator().manual_seed(1)
    with torch.inference_mode():
        known = [
            (find(see, pair.lightness, pair.reference).evidence, pair.degree not in UNRELATED)
            for pair in pairs(fitted, see, rng)
        ]
    acceptance = fit(*zip(*known, strict=True))
    print("{} pairs: ACCEPTANCE = ({:.2f}, {:.2f}, {:.2f})".format(len(known), *acceptance), flush=True)
    with torch.inference_mode():
        found = [tried(pair, see, guess, acceptance) for pair in pairs(unseen, see, rng)]
    refused, accepted = errors(found)
    print(
        f"{len(found)} held out: {refused:.3f} of the related refused, {accepted:.3f} of the unrelated accepted"
    )
    print_degrees(found)


if __name__ == "__main__":
    main()
