"""Contact sheets to look at: real old photographs before and after, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from bench.pictures import Pixels, read_set
from photorestore.options import Options
from photorestore.pipeline import Pipeline

OLD_SETS = ("old_real", "old_ms")
PICTURES = Path("bench/pictures")
ROW_PX = 420


def write_old_photos(root: Path, pipeline: Pipeline, *, per_sheet: int = 4) -> list[Path]:
    """Restore every real old photograph with default options; gives the sheets' files."""
    pairs = []
    for name in OLD_SETS:
        for picture, pixels in read_set(root, name):
            restored = pipeline.restore(pixels, Options(format="png", timeout_s=600))
            trace = {stage: entry["note"] for stage, entry in restored.report["trace"].items()}
            caption = (
                f"{picture}: {trace['denoise']}; {trace['scratch']}; {trace['translate']}; {trace['face']}"
            )
            pairs.append((caption, pixels, restored.image[..., :3]))
    sheets = [pairs[first : first + per_sheet] for first in range(0, len(pairs), per_sheet)]
    return [_write_sheet(PICTURES / f"old_{index:02d}.png", rows) for index, rows in enumerate(sheets)]


def _write_sheet(file: Path, rows: Sequence[tuple[str, Pixels, Pixels]]) -> Path:
    drawn = [_row(*row) for row in rows]
    sheet = Image.new("RGB", (max(row.width for row in drawn), sum(row.height for row in drawn)), "white")
    top = 0
    for row in drawn:
        sheet.paste(row, (0, top))
        top += row.height
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file)
    return file


def _row(caption: str, before: Pixels, after: Pixels) -> Image.Image:
    pictures = [Image.fromarray(np.ascontiguousarray(pixels)) for pixels in (before, after)]
    for picture in pictures:
        picture.thumbnail((2 * ROW_PX, ROW_PX))
    row = Image.new("RGB", (2 * pictures[0].width + 8, pictures[0].height + 18), "white")
    row.paste(pictures[0], (0, 18))
    row.paste(pictures[1], (pictures[0].width + 8, 18))
    ImageDraw.Draw(row).text((2, 3), caption[:200], fill="black")
    return row
