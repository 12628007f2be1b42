"""Measure by what share of darkened pixels `weather` ought to decide that something falls; prints, changes nothing.

    python -m training.tune_weather --data ../shared/data/train [--weights weights] [--every 7]

Photographs that the network has not learned from, as they are and as grey prints with grain, in dry weather, rain and
snow. For each limit: how many are dried, and what becomes of them, PSNR in dB, capped; then what the network does to
dry ones if all are dried.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from photorestore.fidelity import psnr
from photorestore.networks.runner import Runner, load_runner
from photorestore.stages.weather.falling import darkened_share
from training.data import load_photos
from training.degradations.noise import quantise
from training.dry_pictures import MOST_SIGMA_255
from training.randomness import uniform
from training.train_weather import WEATHERS, printed

UNSEEN = ("photos_b/imagenet1k", "photos_b/sunhays80")
LIMITS = (0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.1)
LEAST_SIDE_PX, CAP_DB = 200, 60.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture that was looked at: its share of darkened pixels, and its PSNR (dB) as it is and dried."""

    share: float
    before_db: float
    after_db: float

    def db(self, limit: float) -> float:
        """Return the PSNR (dB), capped, of what the stage makes of it."""
        return min(CAP_DB, self.after_db if self.share >= limit else self.before_db)


def look(dry: Runner[Tensor], photos: Iterable[Tensor], weather: str, *, as_prints: bool) -> list[Seen]:
    """Look at photographs (3, H, W), uint8, in one of `WEATHERS` or "dry"."""
    seen = []
    for seed, photo in enumerate(photos):
        rng = torch.Generator().manual_seed(seed)
        gt = photo.float() / 255
        if as_prints:
            gt = printed(gt, MOST_SIGMA_255 / 255 * uniform(0.2, 1, rng), rng)
        lq = gt if weather == "dry" else quantise(WEATHERS[weather](gt, rng))
        share = darkened_share((255 * lq).round().byte().numpy(), dry)
        seen.append(Seen(share, psnr(lq, gt), psnr(quantise(dry(lq[None])[0]), gt)))
    return seen


def row(limit: float, seen: Sequence[Seen]) -> str:
    """Tell how many are dried by a limit, and the PSNR of all that comes out: mean and worst."""
    dried, made = sum(one.share >= limit for one in seen), [one.db(limit) for one in seen]
    return f"{limit:5.3f}  {dried:4d} of {len(seen)}  {sum(made) / len(made):6.2f}  {min(made):6.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/train"))
    parser.add_argument("--weights", type=Path, help="the folder of the stages' folders")
    parser.add_argument("--every", type=int, default=7, help="looks at each n-th photograph only")
    given = parser.parse_args()
    dry = load_runner("weather", root=given.weights)
    photos = [
        photo
        for name in UNSEEN
        for photo in load_photos([given.data / name], min_side_px=LEAST_SIDE_PX)[:: given.every]
    ]
    for as_prints in (False, True):
        for weather in ("dry", *WEATHERS):
            seen = look(dry, photos, weather, as_prints=as_prints)
            print(f"{weather}, {'prints' if as_prints else 'photographs'}\nlimit  dried  mean  worst")
            print("\n".join(row(limit, seen) for limit in LIMITS), flush=True)


if __name__ == "__main__":
    main()
