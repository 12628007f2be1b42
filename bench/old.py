"""Measure what default options do to real old photographs. There is no truth; look at the sheets.

For each of the 42 pictures of `old_real` and `old_ms`: what it was taken for, which stages worked, and the share of
its pixels that changed visibly: by more than 8/255 in a channel.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from bench.looks import Look, changed_share, look
from bench.pictures import Pixels, read_pixels, set_files
from bench.sheets import PICTURES, Pair, write_blind, write_sheets
from bench.statistics import summary
from photorestore.pipeline import Pipeline

SETS = ("old_real", "old_ms")
FLAGS = ("damaged", "noisy", "faded", "toned")
PLAINLY = 0.01
"""A picture of which a smaller share has changed looks as it did."""


def measure(
    root: Path, pipeline: Pipeline, *, every: int = 1, pictures: Path | None = PICTURES
) -> dict[str, Any]:
    """Say what is done to each picture; before and after are written as sheets and as blind pairs.

    Args:
        root: the folder of the bench pictures.
        every: take only each n-th picture.
        pictures: where to write; None = nowhere.
    """
    rows, pairs = [], []
    for file in [file for name in SETS for file in set_files(root, name)][::every]:
        before = read_pixels(file)
        seen = look(pipeline, file.read_bytes())
        row = _row(file.stem, before, seen)
        rows.append(row)
        pairs.append(Pair(file.stem, _caption(row), before, seen.image))
    if pictures:
        write_sheets(pairs, pictures)
        write_blind(pairs, pictures)
    return {
        "set": f"{len(rows)} pictures",
        "changed_share": summary([row["changed_share"] for row in rows]),
        "plainly_changed": sum(row["changed_share"] >= PLAINLY for row in rows),
        "modes": dict(Counter(row["mode"] for row in rows)),
        "kinds": dict(Counter(row["kind"] for row in rows)),
        "judged": {flag: sum(flag in row["judged"] for row in rows) for flag in FLAGS},
        "ran": dict(Counter(stage for row in rows for stage in row["ran"])),
        "pictures": rows,
    }


def _row(name: str, before: Pixels, seen: Look) -> dict[str, Any]:
    return {
        "picture": name,
        "mode": seen.mode,
        "kind": seen.kind,
        "judged": [flag for flag in FLAGS if getattr(seen.found, flag)],
        "ran": list(seen.ran),
        "coverage": round(float(seen.mask.mean()), 5),
        "changed_share": round(changed_share(before, seen.image), 5),
    }


def _caption(row: dict[str, Any]) -> str:
    judged, ran = (", ".join(row[name]) or "nothing" for name in ("judged", "ran"))
    return (
        f"{row['kind']}, {row['mode']}; judged: {judged}; ran: {ran}; mask {100 * row['coverage']:.2f} %; "
        f"changed {100 * row['changed_share']:.1f} %"
    )
