"""A canvas twice as large as the picture, for smooth edges, and what was drawn on it as coverage."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

OVERSAMPLING = 2


def new_canvas(h: int, w: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return an empty canvas for a picture of (h, w) px, and a pen on it."""
    image = Image.new("L", (w * OVERSAMPLING, h * OVERSAMPLING))
    return image, ImageDraw.Draw(image)


def coverage_of(image: Image.Image) -> Tensor:
    """Return what a canvas covers of the picture, (1, h, w) in [0, 1]."""
    return torch.from_numpy(np.array(image.reduce(OVERSAMPLING))).float().div_(255)[None]
