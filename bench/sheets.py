"""Sheets to look at: pictures before and after, side by side; and the same as blind pairs to judge.

A blind pair is two pictures, A and B, without a word on which one was restored; below them, the place where they
differ most is shown at twice its size. Both orders, of the pairs and within a pair, are drawn anew at every run; which
is which stands in a key of its own.

    python -m bench --suites old                             # writes bench/pictures/blind/ and blind_key.json
    python -m bench.sheets bench/pictures/blind_verdicts.txt # counts verdicts: lines as `07 A`, `12 same`
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from bench.pictures import Pixels

PICTURES = Path("bench/pictures")
ROW_PX = 420
BLIND_PX = 640
CUT_PX = 320
GAP_PX = 8
CAPTION_PX = 18
LETTERS = ("A", "B")
SAME = "same"


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture before and after, (H, W, 3), and what was done to it."""

    name: str
    caption: str
    before: Pixels
    after: Pixels


def write_sheets(pairs: Sequence[Pair], folder: Path = PICTURES, *, per_sheet: int = 4) -> list[Path]:
    """Write the pairs with their captions, some to a sheet; gives the files."""
    sheets = [pairs[first : first + per_sheet] for first in range(0, len(pairs), per_sheet)]
    return [
        _save(_stacked([_captioned(pair) for pair in rows]), folder / f"old_{index:02d}.png")
        for index, rows in enumerate(sheets)
    ]


def write_blind(pairs: Sequence[Pair], folder: Path = PICTURES) -> Path:
    """Write the pairs as `blind/NN.png`, and the key; gives the folder."""
    rng = np.random.default_rng()
    key = {}
    for number, index in enumerate(rng.permutation(len(pairs)), 1):
        pair = pairs[index]
        is_a = bool(rng.random() < 0.5)
        _save(_blind_picture(pair, after_first=is_a), folder / "blind" / f"{number:02d}.png")
        key[f"{number:02d}"] = {"picture": pair.name, "restored": LETTERS[0] if is_a else LETTERS[1]}
    (folder / "blind_key.json").write_text(json.dumps(key, indent=1) + "\n")
    return folder / "blind"


def count_verdicts(verdicts: str, key: dict[str, dict[str, str]]) -> dict[str, list[str]]:
    """Count the pictures that were judged `better`, `same` and `worse`.

    Args:
        verdicts: a line for each pair: its number and `A`, `B` (the better one) or `same`; `#` begins a comment.
        key: as `write_blind` wrote it.

    Raises:
        ValueError: a line says something else, or a pair is judged twice.
    """
    counted: dict[str, list[str]] = {"better": [], "same": [], "worse": []}
    seen: Counter[str] = Counter()
    for line in verdicts.splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or words[0] not in key or words[1] not in (*LETTERS, SAME):
            raise ValueError(f"expected a pair's number and A, B or same; got {line!r}")
        seen[words[0]] += 1
        if seen[words[0]] > 1:
            raise ValueError(f"pair {words[0]} is judged twice")
        pair = key[words[0]]
        better = "better" if words[1] == pair["restored"] else "worse"
        counted[SAME if words[1] == SAME else better].append(pair["picture"])
    return counted


def _captioned(pair: Pair) -> Image.Image:
    pictures = _beside([_at_most(pixels, (2 * ROW_PX, ROW_PX)) for pixels in (pair.before, pair.after)])
    row = Image.new("RGB", (pictures.width, pictures.height + CAPTION_PX), "white")
    row.paste(pictures, (0, CAPTION_PX))
    ImageDraw.Draw(row).text((2, 3), f"{pair.name}: {pair.caption}"[:200], fill="black")
    return row


def _blind_picture(pair: Pair, *, after_first: bool) -> Image.Image:
    both = (pair.after, pair.before) if after_first else (pair.before, pair.after)
    top, left = _most_changed(pair.before, pair.after)
    whole = [_at_most(pixels, (BLIND_PX, BLIND_PX)) for pixels in both]
    cuts = [Image.fromarray(pixels[top : top + CUT_PX, left : left + CUT_PX].copy()) for pixels in both]
    letters = Image.new("RGB", (2 * whole[0].width + GAP_PX, CAPTION_PX), "white")
    for index, letter in enumerate(LETTERS):
        ImageDraw.Draw(letters).text((2 + index * (whole[0].width + GAP_PX), 3), letter, fill="black")
    return _stacked(
        [letters, _beside(whole), _beside([cut.resize((2 * cut.width, 2 * cut.height)) for cut in cuts])]
    )


def _most_changed(before: Pixels, after: Pixels) -> tuple[int, int]:
    """Top and left of the square of `CUT_PX` in which most has changed."""
    h, w = before.shape[:2]
    moved = np.abs(before.astype(np.float32) - after).max(2)
    sums = cv2.boxFilter(moved, -1, (CUT_PX, CUT_PX), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    places = sums[: max(1, h - CUT_PX), : max(1, w - CUT_PX)]
    top, left = np.unravel_index(int(places.argmax()), places.shape)
    return int(top), int(left)


def _at_most(pixels: Pixels, size: tuple[int, int]) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail(size)
    return picture


def _beside(pictures: Sequence[Image.Image]) -> Image.Image:
    first = pictures[0]
    row = Image.new("RGB", (len(pictures) * (first.width + GAP_PX) - GAP_PX, first.height), "white")
    for index, picture in enumerate(pictures):
        row.paste(picture, (index * (first.width + GAP_PX), 0))
    return row


def _stacked(rows: Sequence[Image.Image]) -> Image.Image:
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return sheet


def _save(picture: Image.Image, file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file)
    return file


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verdicts", type=Path)
    parser.add_argument("--key", type=Path, default=PICTURES / "blind_key.json")
    arguments = parser.parse_args()
    counted = count_verdicts(arguments.verdicts.read_text(), json.loads(arguments.key.read_text()))
    for verdict, pictures in counted.items():
        print(f"{verdict}: {len(pictures)} {', '.join(pictures)}")


if __name__ == "__main__":
    main()
