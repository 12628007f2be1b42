"""Draw masks from annotations, and crops to look at; see the package."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from training.marked import ANNOTATIONS, DAMAGE, IGNORE
from training.marking.draw import draw_mask
from training.marking.grammar import read_annotation
from training.marking.trace import trace

GRID_PX = 20

Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""


def draw(names: Sequence[str], data: Path, masks: Path) -> None:
    """Write `<masks>/<set>/<name>.png` for all annotations, or those that are named."""
    names = names or [
        str(file.relative_to(ANNOTATIONS).with_suffix(""))
        for file in sorted(ANNOTATIONS.glob("*/*.txt"))
        if file.stem != "sound"
    ]
    for name in names:
        annotation = read_annotation(ANNOTATIONS / f"{name}.txt")
        with Image.open(data / "domain" / Path(name).parent / annotation.source) as picture:
            mask = draw_mask(annotation, np.array(picture.convert("RGB")))
        file = masks / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(file)
        print(
            f"{name}: damage {100 * (mask == DAMAGE).mean():.2f} %, ignored {100 * (mask == IGNORE).mean():.2f} %"
        )


def crop(picture: Path, box: Box, out: Path, zoom: int, mask: Path | None, *, stretch: bool) -> None:
    """Write an enlarged crop with a grid in the picture's pixels; a mask's damage in red, what it ignores in blue."""
    left, top, right, bottom = box
    size = (zoom * (right - left), zoom * (bottom - top))
    with Image.open(picture) as whole:
        view = np.array(whole.convert("RGB").crop(box))
    if stretch:
        low, high = np.percentile(view, (1, 99))
        view = np.clip((view - low) * 255 / (high - low + 1), 0, 255).astype(np.uint8)
    large = np.array(Image.fromarray(view).resize(size, Image.Resampling.BICUBIC))
    if mask:
        with Image.open(mask) as stored:
            large = _tinted(
                large, np.array(stored.convert("L").crop(box).resize(size, Image.Resampling.NEAREST))
            )
    canvas = Image.fromarray(large)
    pen = ImageDraw.Draw(canvas, "RGBA")
    for at in range(-left % GRID_PX, right - left, GRID_PX):
        pen.line((at * zoom, 0, at * zoom, size[1]), fill=(0, 255, 255, 70))
        pen.text((at * zoom + 2, 0), str(left + at), fill=(255, 255, 0, 255))
    for at in range(-top % GRID_PX, bottom - top, GRID_PX):
        pen.line((0, at * zoom, size[0], at * zoom), fill=(0, 255, 255, 70))
        pen.text((0, at * zoom + 2), str(top + at), fill=(255, 255, 0, 255))
    canvas.save(out)


def _tinted(large: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    tinted = large.copy()
    for value, colour in ((DAMAGE, (255, 0, 0)), (IGNORE, (0, 120, 255))):
        tinted[mask == value] = (0.7 * large[mask == value] + 0.3 * np.array(colour)).astype(np.uint8)
    rims, _ = cv2.findContours((mask == DAMAGE).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(tinted, rims, -1, (255, 0, 0), 1)
    return tinted


def _point(text: str) -> tuple[int, int]:
    x, y = text.split(",")
    return int(x), int(y)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.marking", description=__doc__)
    tasks = parser.add_subparsers(required=True, dest="task")
    drawing = tasks.add_parser("draw", help=draw.__doc__)
    drawing.add_argument("names", nargs="*", help="such as old_real/1880Paris; all without")
    drawing.add_argument(
        "--data", type=Path, default=Path("../shared/data/train"), help="holds domain/<set>/"
    )
    drawing.add_argument("--masks", type=Path, default=Path("runs/marks"))
    cropping = tasks.add_parser("crop", help=crop.__doc__)
    cropping.add_argument("picture", type=Path)
    for name in ("x", "y", "width", "height"):
        cropping.add_argument(name, type=int)
    cropping.add_argument("out", type=Path)
    cropping.add_argument("--zoom", type=int, default=5)
    cropping.add_argument("--mask", type=Path)
    cropping.add_argument("--stretch", action="store_true", help="stretch the contrast, for dark places")
    tracing = tasks.add_parser("trace", help=trace.__doc__)
    tracing.add_argument("mask", type=Path, help="what is not 0 is a spot")
    tracing.add_argument("points", nargs="+", type=_point, help="x,y")
    given = parser.parse_args()
    if given.task == "draw":
        draw(given.names, given.data, given.masks)
        return
    if given.task == "trace":
        with Image.open(given.mask) as stored:
            print(*trace(np.array(stored.convert("L")) > 0, given.points), sep="\n")
        return
    box = (given.x, given.y, given.x + given.width, given.y + given.height)
    crop(given.picture, box, given.out, given.zoom, given.mask, stretch=given.stretch)


if __name__ == "__main__":
    main()
