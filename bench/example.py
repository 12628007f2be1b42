"""The picture in the README: a photograph in the public domain, damaged with a fixed seed, and restored.

    python -m bench.example        # writes docs/example.jpg, and the damaged one as gateway/page/sample.jpg

Eileen Collins, NASA, 1998 (public domain), as scikit-image ships it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from skimage import data
from torch import Tensor

from bench.service import MENDING
from photorestore import pipeline
from photorestore.options import Options
from training.degradations import fading, noise, strokes

TARGET = Path("docs/example.jpg")
SAMPLE = Path("gateway/page/sample.jpg")
SEED = 4
GAP_PX = 8
CAPTION_PX = 20


def main() -> None:
    gt = torch.from_numpy(data.astronaut()).permute(2, 0, 1).float() / 255
    worn = damage(gt, torch.Generator().manual_seed(SEED))
    lq = (worn * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(lq).save(SAMPLE, quality=85)
    options = Options(stages=MENDING, normalise=True, format="png")
    restored = pipeline.load().restore(lq, options)
    print(restored.report.trace)
    columns = {"before": lq, "after": restored.image[..., :3]}
    h, w, _ = lq.shape
    sheet = Image.new("RGB", (2 * w + GAP_PX, h + CAPTION_PX), "white")
    for index, (caption, pixels) in enumerate(columns.items()):
        left = index * (w + GAP_PX)
        sheet.paste(Image.fromarray(np.ascontiguousarray(pixels)), (left, CAPTION_PX))
        ImageDraw.Draw(sheet).text((left + 2, 4), caption, fill="black")
    sheet.save(TARGET, quality=90)


def damage(gt: Tensor, rng: torch.Generator) -> Tensor:
    """Make an old print of (3, H, W): soft, brown, faded and grainy; then scratched, dusty and torn."""
    h, w = gt.shape[-2:]
    lq = fading.fade(fading.sepia(fading.blur(gt, 0.7), 0.8), 0.25, 0.55)
    lq = noise.film_grain(lq, 0.05, 0.5, rng)
    for layer, value in (
        (strokes.scratches(h, w, 7, rng), 0.95),
        (strokes.hairs(h, w, 4, rng), 0.9),
        (strokes.dust(h, w, 60, rng), 0.95),
        (strokes.tear(h, w, rng), 0.92),
    ):
        lq = torch.lerp(lq, torch.full_like(lq, value), layer.clamp(0, 1))
    return noise.quantise(lq)


if __name__ == "__main__":
    main()
