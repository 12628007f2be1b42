"""Pictures of real defects, and which of them training may see."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from training.data import read_photo

STAMP_KINDS = (
    "dirt", "dots", "hair", "hair-short", "lint", "scratches", "smut", "spots", "sprinkles", "stain",
)  # fmt: skip
HELD_OUT_SCANS = ("scan_04.png", "scan_07.png")
"""Label maps that no training ever sees; the damage set uses only these."""
VALIDATION_SCANS = ("scan_06.png",)


@dataclass(frozen=True, slots=True)
class DamageSources:
    """Pictures of real defects, as uint8 to save memory.

    Attributes:
        stamps: by kind, (N, 256, 256), 255 = fully covered.
        scans: (H, W) each, coverage of all classes of a label map at half its size.
        papers: (3, 512, 512) or smaller, photographs of blank paper.
    """

    stamps: dict[str, Tensor]
    scans: tuple[Tensor, ...]
    papers: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class PrintSources:
    """Shapes of real cracks: (320, 480) each, uint8, 255 = crack."""

    cracks: tuple[Tensor, ...]


def load_damage_sources(root: Path, *, held_out: bool, validation: bool = False) -> DamageSources:
    """Read stamps, label maps and papers.

    Args:
        root: the folder that holds `domain/`.
        held_out: only what training never sees: stamps whose file's sha256 is 0 modulo 5, `HELD_OUT_SCANS`.
        validation: of the others, only the part that is kept for validation: sha256 1 modulo 5,
            `VALIDATION_SCANS`. When false, this part is left out. Papers are the same in all parts.

    Raises:
        FileNotFoundError: a folder holds nothing.
    """
    domain = root / "domain"
    part = 0 if held_out else 1 if validation else None
    return DamageSources(
        {kind: _read_stamps(domain / "damage_stamps" / kind, part) for kind in STAMP_KINDS},
        tuple(
            _read_scan(file)
            for file in _files(domain / "film_scan_labels", "*.png")
            if _scan_part(file) == part
        ),
        tuple(read_photo(file) for file in _files(domain / "paper_textures", "*.jpg")),
    )


def read_shapes(folder: Path, *, held_out: bool, validation: bool = False) -> tuple[Tensor, ...]:
    """Read the PNGs of a folder as (H, W) uint8; parts are chosen by hash, as in `load_damage_sources`.

    Raises:
        FileNotFoundError: the folder holds none.
    """
    part = 0 if held_out else 1 if validation else None
    files = _files(folder, "*.png")
    return tuple(_read_grey(file) for file in files if part_of(file.read_bytes()) == part)


def load_crack_shapes(root: Path, *, held_out: bool, validation: bool = False) -> PrintSources:
    """Read the shapes of cracks in `<root>/domain/crack_shapes`; parts are chosen as in `load_damage_sources`.

    Raises:
        FileNotFoundError: the folder holds nothing.
    """
    return PrintSources(
        read_shapes(root / "domain" / "crack_shapes", held_out=held_out, validation=validation)
    )


def _files(folder: Path, pattern: str) -> list[Path]:
    files = sorted(folder.glob(pattern))
    if not files:
        raise FileNotFoundError(f"{folder} holds no {pattern}; see training/README.md")
    return files


def part_of(content: bytes) -> int | None:
    """Say by a hash in which part a file is: 0 held out, 1 validation, None training."""
    rest = int(hashlib.sha256(content).hexdigest(), 16) % 5
    return rest if rest < 2 else None


def _scan_part(file: Path) -> int | None:
    return 0 if file.name in HELD_OUT_SCANS else 1 if file.name in VALIDATION_SCANS else None


def _read_stamps(folder: Path, part: int | None) -> Tensor:
    chosen = [file for file in _files(folder, "*.png") if part_of(file.read_bytes()) == part]
    return torch.stack([_read_grey(file) for file in chosen])


def _read_grey(file: Path) -> Tensor:
    with Image.open(file) as picture:
        return torch.from_numpy(np.array(picture.convert("L")))


def _read_scan(file: Path) -> Tensor:
    covered = Image.fromarray((_read_grey(file) > 0).numpy().astype(np.uint8) * 255)
    return torch.from_numpy(np.array(covered.reduce(2)))
