"""Read the sources of the judgement's pictures from the data root."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training.data import hold_out, load_photos, read_photo
from training.degradations.sources import load_crack_shapes, load_damage_sources
from training.judged.pictures import UNKNOWN, RealPrint, Sources
from training.marked import ANNOTATIONS, TEST_PRINTS, VALIDATION_PRINTS

DAMAGED_TIMES = 3
"""How often a print of the damaged set is drawn, against one of the others."""


def load_sources(data: Path, photos: Sequence[str], validation_every: int) -> tuple[Sources, Sources]:
    """Read what training and validation pictures are made of.

    Args:
        photos: folders of clean photographs below `data`.
        validation_every: every n-th photograph of a folder, and every n-th old print, is kept for validation.
    """
    folders = [load_photos([data / name], min_side_px=96) for name in photos]
    held_out = [folder[::validation_every] for folder in folders]
    _, folders = hold_out(folders, validation_every)
    real, damaged = load_prints(data), load_damaged(data)
    kept = {*list(real)[::validation_every], *VALIDATION_PRINTS}
    train = [print_ for name, print_ in real.items() if name not in kept]
    train += DAMAGED_TIMES * [print_ for name, print_ in damaged.items() if name not in kept]
    unseen = [print_ for name, print_ in (real | damaged).items() if name in kept]
    return (
        Sources(folders, train, load_damage_sources(data, held_out=False), load_crack_shapes(data, held_out=False)),
        Sources(
            held_out, unseen,
            load_damage_sources(data, held_out=False, validation=True),
            load_crack_shapes(data, held_out=False, validation=True),
        ),
    )  # fmt: skip


def load_prints(data: Path) -> dict[str, RealPrint]:
    """Read the real old photographs by name, with what was seen of damage in each."""
    folder = ANNOTATIONS / "old_real"
    sound = set((folder / "sound.txt").read_text().split())
    marked = {file.stem for file in folder.glob("*.txt")}
    return {
        file.stem: RealPrint(
            read_photo(file), 0.0 if file.stem in sound else 1.0 if file.stem in marked else UNKNOWN
        )
        for file in sorted((data / "domain" / "old_real").glob("*.jpg"))
    }


def load_damaged(data: Path) -> dict[str, RealPrint]:
    """Read the damaged prints by name, without those that are kept for tests."""
    files = sorted((data / "domain" / "old_damaged").glob("*.*"))
    return {file.stem: RealPrint(read_photo(file), 1.0) for file in files if file.stem not in TEST_PRINTS}
