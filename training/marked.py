"""Real damage: old prints whose damage was marked by eye.

The annotations are text and lie in `training/annotations/<set>/<name>.txt`; the pictures are `<data>/domain/<set>/`;
`python -m training.marking` draws the masks that belong to them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from training.data import read_photo
from training.degradations import fading, noise
from training.randomness import chance, log_uniform, randint, uniform

ANNOTATIONS = Path(__file__).parent / "annotations"
TEST_PRINTS = ("003", "011", "019", "024", "040", "044")
"""Of `old_damaged`: never trained on, the suite `real` is measured on them."""
VALIDATION_PRINTS = (
    *("005", "015", "023", "027", "046"),
    *("Chief", "Paris1920Cart", "RoyalUniversityMedStudent1900Ireland", "ViennaBoys1880s"),
)
"""Of `old_damaged` and `old_real`: not trained on, they choose thresholds."""
DAMAGE, IGNORE = 255, 128
"""Values of a mask; 0 is sound."""
SPREAD = 0.4
"""Prints are drawn by this power of their damaged share: badly damaged ones have more to teach."""
TOLERANCE_WEIGHT = 0.3
"""Weight in training of a pixel beside a marked defect: rims are good to a pixel."""
VISIBLE = 0.03
"""Transplanted damage that changes no channel by so much is none: black on black cannot be found."""


@dataclass(frozen=True, slots=True)
class MarkedPrint:
    """A real print and its damage.

    Attributes:
        name: `<set>/<name>`.
        image: uint8 (3, H, W).
        mask: uint8 (1, H, W), 255 = damage, 128 = ignore, 0 = sound.
        mended: uint8 (3, H, W), `image` with the damage filled from its surroundings by Telea's method.
        share: of its pixels that are damaged, or `wrong`.
        wrong: where a detector was wrong, bool (1, H, W); patches are cut there in place of where damage is, see
            `training.mistaken`.
    """

    name: str
    image: Tensor
    mask: Tensor
    mended: Tensor
    share: float
    wrong: Tensor | None = None

    @property
    def sought(self) -> Tensor:
        """Where most is to be learned, bool (1, H, W)."""
        return self.mask == DAMAGE if self.wrong is None else self.wrong


def load_marked_prints(
    data: Path, masks: Path, *, names: Sequence[str] | None = None, without: Sequence[str] = ()
) -> list[MarkedPrint]:
    """Read the marked prints.

    Args:
        data: the folder that holds `domain/`.
        masks: the folder of `<set>/<name>.png`, see `training.marking`.
        names: only these, without their set; None = all.
        without: but not these.

    Raises:
        FileNotFoundError: a mask has no picture, or there are no masks.
    """
    files = [
        file
        for file in sorted(masks.glob("*/*.png"))
        if file.stem not in without and (names is None or file.stem in names)
    ]
    if not files:
        raise FileNotFoundError(f"{masks} holds no masks; run python -m training.marking")
    return [_read(file, data) for file in files]


def _read(file: Path, data: Path) -> MarkedPrint:
    folder = data / "domain" / file.parent.name
    picture = next(folder.glob(f"{file.stem}.*"), None)
    if picture is None:
        raise FileNotFoundError(f"{folder} holds no picture {file.stem}")
    image = read_photo(picture)
    with Image.open(file) as stored:
        mask = torch.from_numpy(np.array(stored.convert("L")))
    holes = cv2.dilate((mask == DAMAGE).numpy().astype(np.uint8), np.ones((3, 3), np.uint8))
    mended = cv2.inpaint(image.permute(1, 2, 0).contiguous().numpy(), holes, 3, cv2.INPAINT_TELEA)
    return MarkedPrint(
        f"{file.parent.name}/{file.stem}",
        image,
        mask[None],
        torch.from_numpy(mended).permute(2, 0, 1),
        float((mask == DAMAGE).float().mean()),
    )


def sound_print(image: Tensor) -> MarkedPrint:
    """Return a print (3, H, W) uint8 without any damage."""
    return MarkedPrint("sound", image, torch.zeros_like(image[:1]), image, 0.0)


def marked_patch(
    prints: Sequence[MarkedPrint], size_px: int, rng: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Cut a square of a real print at a random scale and in random tones; seven in ten times with what is sought.

    Returns:
        lq: (3, size_px, size_px) in [0, 1], 8-bit values.
        target: (1, size_px, size_px), 1 = damage.
        weight: the same shape: 0 where it is not known, less than 1 at the rims of damage.
    """
    chosen = _choose(prints, rng)
    image, mask = _crop(chosen, (chosen.image, chosen.mask), size_px, rng)
    lq = _retone(image.float() / 255, rng)
    if chance(0.3, rng):
        lq = noise.film_grain(lq, uniform(0, 0.06, rng), uniform(0.4, 1.5, rng), rng)
    lq = noise.jpeg(lq, randint(60, 97, rng)) if chance(0.3, rng) else noise.quantise(lq)
    return lq, (mask == DAMAGE).float(), weight_of(mask)


def transplant(gt: Tensor, prints: Sequence[MarkedPrint], rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Lay the damage of a real print on another photograph (3, S, S): by its difference from what was there, or itself.

    Returns:
        lq: (3, S, S) in [0, 1], not quantised; alpha: (1, S, S), 1 where damage is seen.
    """
    chosen = _choose(prints, rng)
    damaged, mended, mask = _crop(chosen, (chosen.image, chosen.mended, chosen.mask), gt.shape[-1], rng)
    alpha = (mask == DAMAGE).float()
    soft = torch.maximum(F.avg_pool2d(alpha[None], 3, 1, 1)[0], alpha)
    if chance(0.35, rng):
        lq = torch.lerp(gt, damaged.float() / 255, soft.expand_as(gt))
    else:
        change = (damaged.float() - mended.float()) / 255 * uniform(0.7, 1.6, rng)
        lq = (gt + soft * (-change if chance(0.2, rng) else change)).clamp(0, 1)
    return lq, alpha * ((lq - gt).abs().amax(0, keepdim=True) >= VISIBLE)


def _choose(prints: Sequence[MarkedPrint], rng: torch.Generator) -> MarkedPrint:
    """A print; those with more of what is sought more often, though what has next to none shows what is sound."""
    shares = torch.tensor([marked.share for marked in prints])
    return prints[int(torch.multinomial(shares.clamp_min(1e-3) ** SPREAD, 1, generator=rng))]


def weight_of(mask: Tensor) -> Tensor:
    """Return what each pixel of a mask (1, H, W) uint8 counts in training: (1, H, W)."""
    damage = (mask == DAMAGE).float()[None]
    near = F.max_pool2d(damage, 3, 1, 1) - (1 - F.max_pool2d(1 - damage, 3, 1, 1))  # both sides of the rim
    core = torch.where(near[0] > 0, torch.where(damage[0] > 0, 1.0, TOLERANCE_WEIGHT), 1.0)
    return torch.where(mask == IGNORE, 0.0, core)


def _crop(chosen: MarkedPrint, planes: Sequence[Tensor], size_px: int, rng: torch.Generator) -> list[Tensor]:
    """The same square of each plane, at a scale of .6 to 2, turned and mirrored."""
    h, w = chosen.mask.shape[-2:]
    zoom = max(log_uniform(0.6, 2, rng), size_px / min(h, w))
    side = min(math.ceil(size_px / zoom), h, w)
    highest, widest = h - side, w - side
    top, left = randint(0, highest + 1, rng), randint(0, widest + 1, rng)
    if chance(0.7, rng) and (places := chosen.sought[0].nonzero()).numel():
        y, x = places[randint(0, len(places), rng)].tolist()
        top = min(max(0, y - randint(0, side, rng)), highest)
        left = min(max(0, x - randint(0, side, rng)), widest)
    place = (slice(None), slice(top, top + side), slice(left, left + side))
    turns, mirrors = randint(0, 4, rng), chance(0.5, rng)
    cut = []
    for plane in planes:
        part = _resize(plane[place], size_px, is_mask=plane.shape[0] == 1)
        part = part.rot90(turns, (1, 2))
        cut.append(part.flip(2) if mirrors else part)
    return cut


def _resize(part: Tensor, size_px: int, *, is_mask: bool) -> Tensor:
    if part.shape[-1] == size_px:
        return part
    if not is_mask:
        size = (size_px, size_px)
        scaled = F.interpolate(part[None].float(), size, mode="bicubic", antialias=True, align_corners=False)
        return scaled[0].clamp(0, 255).round().byte()
    shares = torch.stack([(part == value).float() for value in (DAMAGE, IGNORE)], 1)
    shares = F.interpolate(shares, (size_px, size_px), mode="bilinear", antialias=True)[0]
    ignored = torch.where(shares[1] > 0.3, IGNORE, 0)
    return torch.where(shares[0] > 0.4, DAMAGE, ignored).byte()[None]


def _retone(image: Tensor, rng: torch.Generator) -> Tensor:
    if chance(0.4, rng):
        image = fading.grey(image)
        if chance(0.3, rng):
            image = fading.sepia(image, uniform(0.3, 1, rng))
    if chance(0.6, rng):
        image = image.clamp(0, 1) ** uniform(0.6, 1.6, rng)
    if chance(0.5, rng):
        low, high = uniform(0, 0.25, rng), uniform(0.7, 1, rng)
        image = low + (high - low) * image
    return 1 - image if chance(0.1, rng) else image
