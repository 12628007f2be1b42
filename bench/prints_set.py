"""The prints: bench photographs, aged as prints and damaged as prints are, the same at every run.

    python -m bench.prints_set --data ../shared/data --pictures /tmp/prints   # look at it

Photographs: those of `PARTS` (30), at most 768 px long. Each is made a print (grey, brown, pale dyes, or as it is; soft
in half; faded in a third), then gets grain, then damage, and most are stored as JPEG. Cracks have the shapes of real
ones whose file's sha256 is 0 modulo 5, which no training sees. All else is drawn by `bench/print_damage.py`, with code
and ranges that training does not share:

| what | in how many | range |
|---|---|---|
| cracks | 80 % | 1 to 3 shapes, zoomed .8 to 2.6 times and bent; 1 to 12 px wide, some to 23; in places worn |
| crease | 40 % | from side to side: light beside dark, broken emulsion along a part |
| corner | 35 % | 1 to 3 are lost, 4 to 16 % of the short side |
| edges | 35 % | 1 to 4 are worn, to a depth of 1 to 3 % of the short side |
| specks | 60 % | 30 to 500 in 480x320 px, .5 to 3.5 px in radius, evenly or in a cloud |
| flakes | 35 % | .3 to 3 % of the picture, in patches |
| blots | 20 % | 1 to 4 dark drops or rings |
| what shows | | white or yellowed paper 70 %, its core 10 %, dirt 20 %; fibres; half have a shadow at the rim |
| damaged share | | 1 to 14 % of the pixels; other draws are drawn anew |

`gt` is the print before grain, damage and JPEG. A pixel is damaged where damage changed it by at least 20/255 in a
channel; what changed less is put back, so that damage has a rim.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bench.pictures import Floats, Mask, Pixels, Rng, as_floats, read_pixels, set_files, write_beside
from bench.print_damage import damage, visible_damage
from bench.statistics import pixel_hash
from training.degradations.sources import load_crack_shapes

PARTS = {
    "BSD100": slice(0, None, 9),
    "Set14": slice(1, None, 3),
    "Urban100_sub20": slice(0, None, 4),
    "faces/ccby": slice(0, None, 3),
}
"""Which pictures of a set."""
LONGEST_PX = 768
SEED = 70
SHARES = (0.01, 0.14)


@dataclass(frozen=True, slots=True)
class Print:
    """One print of the set.

    Attributes:
        name: set and file, `Set14/img_001.webp`.
        gt: (H, W, 3), the print before grain and damage.
        lq: (H, W, 3), what is given to the service.
        mask: (H, W), true where it is damaged.
    """

    name: str
    gt: Pixels
    lq: Pixels
    mask: Mask


def load_prints(data_root: Path, *, every: int = 1) -> list[Print]:
    """Make the set; some seconds.

    Args:
        data_root: the folder that holds `train/` and `bench/`.
        every: only each n-th print; it is the same as in the whole set.

    Raises:
        FileNotFoundError: photographs or shapes are missing.
    """
    sources = load_crack_shapes(data_root / "train", held_out=True)
    shapes = [shape.numpy() for shape in sources.cracks]
    bench = data_root / "bench"
    files = [file for name, part in PARTS.items() for file in set_files(bench, name)[part]]
    return [
        make_print(str(file.relative_to(bench)), read_pixels(file), shapes, SEED + 1000 * index)
        for index, file in list(enumerate(files))[::every]
    ]


def make_print(name: str, photo: Pixels, shapes: Sequence[Pixels], seed: int) -> Print:
    """Age and damage one photograph (H, W, 3)."""
    rng = np.random.default_rng(seed)
    gt = _to_u8(age(as_floats(_at_most(photo, LONGEST_PX)), rng))
    grainy = (gt / np.float32(255) + grain(gt.shape[:2], rng)[..., None]).clip(0, 1)
    while True:
        damaged, alpha = damage(grainy, shapes, rng)
        mask = visible_damage(grainy, damaged, alpha)
        if SHARES[0] <= mask.mean() <= SHARES[1]:
            break
    lq = _to_u8(np.where(mask[..., None], damaged, grainy))
    return Print(name, gt, _as_jpeg(lq, int(rng.integers(82, 97))) if rng.random() < 0.7 else lq, mask)


def age(photo: Floats, rng: Rng) -> Floats:
    """Make of the photograph (H, W, 3) what a print of it looks like: its dyes, its softness, its contrast."""
    grey = photo @ np.array([0.3, 0.59, 0.11], np.float32)
    kind = rng.choice(["grey", "brown", "pale", "as it is"], p=[0.4, 0.25, 0.15, 0.2])
    if kind == "grey":
        photo = np.repeat(grey[..., None], 3, 2)
    elif kind == "brown":
        photo = grey[..., None] ** np.array([rng.uniform(0.75, 0.95), 1, rng.uniform(1.1, 1.5)], np.float32)
    elif kind == "pale":
        photo = grey[..., None] + rng.uniform(0.4, 0.8) * (photo - grey[..., None])
        photo = 1 - (1 - photo) * rng.uniform(0.65, 1, 3).astype(np.float32)
    if rng.random() < 0.5:
        photo = np.asarray(cv2.GaussianBlur(photo, (0, 0), rng.uniform(0.5, 1.3)), np.float32)
    if rng.random() < 0.33:
        black, white = rng.uniform(0.08, 0.28), rng.uniform(0.72, 0.95)
        photo = black + (white - black) * photo
    return photo.clip(0, 1).astype(np.float32)


def grain(shape: tuple[int, ...], rng: Rng) -> Floats:
    """Draw grain (H, W) to be added: fine everywhere, coarse and strong in a quarter of the prints."""
    sigma, size_px = rng.uniform(0.006, 0.014), rng.uniform(0.3, 0.6)
    if rng.random() < 0.25:
        sigma, size_px = rng.uniform(0.02, 0.05), rng.uniform(0.6, 1.3)
    field = cv2.GaussianBlur(rng.standard_normal(shape).astype(np.float32), (0, 0), size_px)
    return (sigma / field.std() * field).astype(np.float32)


def _at_most(photo: Pixels, longest_px: int) -> Pixels:
    factor = longest_px / max(photo.shape)
    if factor >= 1:
        return photo
    return np.asarray(cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)


def _to_u8(image: Floats) -> Pixels:
    return (image.clip(0, 1) * 255).round().astype(np.uint8)


def _as_jpeg(pixels: Pixels, quality: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="holds train/ and bench/")
    parser.add_argument("--pictures", type=Path, required=True, help="gt, lq and mask side by side, as PNG")
    parser.add_argument("--every", type=int, default=1)
    arguments = parser.parse_args()
    prints = load_prints(arguments.data, every=arguments.every)
    for made in prints:
        write_beside(arguments.pictures, made.name, made.gt, made.lq, made.mask)
    share = sum(float(made.mask.mean()) for made in prints) / len(prints)
    print(f"{len(prints)} prints, {100 * share:.2f} % damaged, sha256 {pixel_hash(p.lq for p in prints)}")


if __name__ == "__main__":
    main()
