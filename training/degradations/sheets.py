"""Tools to draw drawings and screenshots with: a sheet at twice the size, inks, fonts, made-up words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TypeVar

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from training.randomness import chance, pick, randint, uniform

OVERSAMPLING = 2
VOWELS, CONSONANTS = "aeiou", "bcdfghjklmnprstvwz"
FONT_PATTERNS = ("DejaVuS*.ttf", "STIXGeneral*.ttf", "cm[brst][0-9it]*.ttf")

Colour = tuple[int, int, int]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Sheet:
    """Something to draw on.

    Attributes:
        unit: a thin line's width, px of the sheet.
    """

    image: Image.Image
    draw: ImageDraw.ImageDraw
    ink: Colour
    paper: Colour
    unit: int

    @property
    def w(self) -> int:
        return self.image.width

    @property
    def h(self) -> int:
        return self.image.height

    def paste(self, is_ink: npt.NDArray[np.bool_], colour: Colour | None = None) -> None:
        """Paint the pixels of an array (h, w)."""
        self.image.paste(colour or self.ink, mask=Image.fromarray(is_ink.astype(np.uint8) * 255))

    def write(self, xy: tuple[float, float], text: str, size_px: int, font: str | None = None) -> None:
        """Write a line of text in ink."""
        self.draw.text(xy, text, fill=self.ink, font=font_of(font, size_px))


def blank_sheet(h: int, w: int, ink: Colour, paper: Colour, unit: int) -> Sheet:
    """Return an empty sheet of twice the size."""
    image = Image.new("RGB", (w * OVERSAMPLING, h * OVERSAMPLING), paper)
    return Sheet(image, ImageDraw.Draw(image), ink, paper, unit)


def averaged(sheet: Sheet) -> Tensor:
    """Return the sheet at its true size, (3, H, W) in [0, 1]."""
    return as_tensor(sheet.image.reduce(OVERSAMPLING))


def as_tensor(image: Image.Image) -> Tensor:
    """Return an RGB picture as (3, H, W) in [0, 1]."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def colour(rng: torch.Generator, low: int = 0, high: int = 256) -> Colour:
    """Draw any colour whose channels are in [low, high)."""
    red, green, blue = torch.randint(low, high, (3,), generator=rng).tolist()
    return red, green, blue


@cache
def fonts() -> tuple[str, ...]:
    """Find the font files with letters that come with matplotlib."""
    folder = Path(mpl.get_data_path()) / "fonts/ttf"
    return tuple(sorted(str(file) for pattern in FONT_PATTERNS for file in folder.glob(pattern)))


@lru_cache(maxsize=256)
def font_of(file: str | None, size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return a font in a size; None is Pillow's own."""
    return ImageFont.load_default(size_px) if file is None else ImageFont.truetype(file, size_px)


def any_font(rng: torch.Generator) -> str | None:
    """Pick one of `fonts`, or Pillow's own."""
    return None if chance(0.2, rng) else pick(fonts(), rng)


def words(count: int, rng: torch.Generator) -> str:
    """Make up words, with numbers and capitals among them."""
    made = []
    for _ in range(count):
        letters = [
            pick(VOWELS if i % 2 else CONSONANTS, rng) + ("n" if chance(0.15, rng) else "")
            for i in range(randint(1, 8, rng))
        ]
        word = "".join(letters)
        made.append(word.capitalize() if chance(0.15, rng) else word)
        if chance(0.08, rng):
            made.append(str(randint(0, 3000, rng)))
    return " ".join(made)


def smooth_field(h: int, w: int, cells: float, rng: torch.Generator) -> npt.NDArray[np.float32]:
    """Draw a smooth random field (h, w) in [0, 1] with about `cells` hills along its longer side."""
    cell = max(h, w) / cells
    coarse = torch.rand((1, 1, 2 + round(h / cell), 2 + round(w / cell)), generator=rng)
    field = F.interpolate(coarse, (h, w), mode="bicubic", align_corners=True)[0, 0]
    low, high = field.min(), field.max()
    scaled: npt.NDArray[np.float32] = ((field - low) / (high - low).clamp_min(1e-6)).numpy()
    return scaled


def smooth_curve(
    start: tuple[float, float], stride: float, steps: int, bend: float, rng: torch.Generator
) -> list[tuple[float, float]]:
    """Draw the corners of a curve that wanders."""
    turns = torch.randn(steps, generator=rng).cumsum(0) * bend
    angles = uniform(0, 6.283, rng) + turns.cumsum(0) * 0.2
    x = start[0] + (angles.cos() * stride).cumsum(0)
    y = start[1] + (angles.sin() * stride).cumsum(0)
    return list(zip(x.tolist(), y.tolist(), strict=True))
