"""The mixed set: bench photographs worn in every way at once, the same at every run.

    python -m bench.mixed_set --data ../shared/data --pictures /tmp/mixed   # look at it

Close to the synthetic test of *Bringing Old Photos Back to Life* (Wan et al., CVPR 2020): crops of 256 px; each of
these with a chance of .7, in random order, then scratches on every crop:

| what | range |
|---|---|
| Gaussian blur | sigma 1 to 5 px |
| noise | Gaussian or speckle of sigma_255 5 to 50, or salt and pepper on up to 1 % of the pixels |
| lost resolution | shrunk to a half and enlarged, bilinear |
| JPEG | quality 40 to 100 |
| colour jitter | each channel moved by up to 20/255 |
| grey | chance .1 |

It differs in that the photographs are those of `SETS` (DIV2K is not at hand), and in that scratches come last and
sharp, as they lie on the print, so that their mask is known to the pixel: `damage_moderately` from damage that no
training has seen, .5 to 6 % of the pixels. All is stored in 8 bits.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from bench.damage_set import DamagedPicture, pixel_sha256
from bench.pictures import read_pixels, set_files, write_beside
from training.degradations import fading, noise
from training.degradations.damage import damage_moderately
from training.degradations.sources import DamageSources, load_damage_sources
from training.randomness import chance, randint, uniform

SETS = ("BSD100", "Urban100_sub20")
EVERY = {"BSD100": 3, "Urban100_sub20": 1}
"""Every n-th picture of a set."""
CROP_PX = 256
CHANCE, GREY_CHANCE = 0.7, 0.1
SEED = 30


def load_mixed_set(data_root: Path, *, every: int = 1) -> list[DamagedPicture]:
    """Make the set.

    Args:
        data_root: the folder that holds `train/` and `bench/`.
        every: only each n-th crop; it is the same as in the whole set.

    Raises:
        FileNotFoundError: photographs or damage are missing.
    """
    sources = load_damage_sources(data_root / "train", held_out=True)
    files = [file for name in SETS for file in set_files(data_root / "bench", name)[:: EVERY[name]]]
    return [
        _worn(file, sources, data_root / "bench", SEED + 1000 * index)
        for index, file in list(enumerate(files))[::every]
    ]


def wear(gt: Tensor, rng: torch.Generator) -> Tensor:
    """Wear a photograph (3, H, W) by everything but scratches; [0, 1]."""
    lq = gt
    for index in torch.randperm(len(STEPS), generator=rng).tolist():
        if chance(CHANCE, rng):
            lq = STEPS[index](lq, rng).clamp(0, 1)
    return fading.grey(lq) if chance(GREY_CHANCE, rng) else lq


def _noisy(image: Tensor, rng: torch.Generator) -> Tensor:
    kind, sigma = randint(0, 3, rng), uniform(5, 50, rng) / 255
    if kind == 0:
        return noise.gaussian(image, sigma, rng)
    if kind == 1:
        return noise.speckle(image, sigma, rng)
    return noise.salt_and_pepper(image, uniform(0, 0.01, rng), rng)


STEPS: tuple[Callable[[Tensor, torch.Generator], Tensor], ...] = (
    lambda image, rng: fading.blur(image, uniform(1, 5, rng)),
    _noisy,
    lambda image, _: fading.resample(image, 0.5),
    lambda image, rng: noise.jpeg(image, randint(40, 101, rng)),
    lambda image, rng: image + 20 / 255 * (2 * torch.rand((3, 1, 1), generator=rng) - 1),
)


def _worn(file: Path, sources: DamageSources, bench: Path, seed: int) -> DamagedPicture:
    rng = torch.Generator().manual_seed(seed)
    photo = torch.from_numpy(read_pixels(file).copy()).permute(2, 0, 1)
    top, left = (randint(0, side - CROP_PX + 1, rng) for side in photo.shape[1:])
    gt = photo[:, top : top + CROP_PX, left : left + CROP_PX].contiguous()
    lq, alpha, mask = damage_moderately(noise.quantise(wear(gt.float() / 255, rng)), sources, rng)
    as_u8 = [(values * 255).round().byte() for values in (lq, alpha)]
    return DamagedPicture(str(file.relative_to(bench)), gt, as_u8[0], as_u8[1], mask)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="holds train/ and bench/")
    parser.add_argument("--pictures", type=Path, required=True, help="gt, lq and mask side by side, as PNG")
    parser.add_argument("--every", type=int, default=1)
    arguments = parser.parse_args()
    pictures = load_mixed_set(arguments.data, every=arguments.every)
    for picture in pictures:
        gt, lq = (image.permute(1, 2, 0).numpy() for image in (picture.gt, picture.lq))
        write_beside(arguments.pictures, picture.name, gt, lq, picture.mask[0].numpy())
    print(f"{len(pictures)} pictures, sha256 {pixel_sha256(pictures)}")


if __name__ == "__main__":
    main()
