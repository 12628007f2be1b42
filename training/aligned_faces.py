"""Find faces in the training pictures, cut them out upright, and keep them in one file of 8-bit tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.stages.face.geometry import CROP_PX, align, cut
from photorestore.stages.face.judgement import pose_deviation
from photorestore.stages.face.refine import Finder, find_faces
from training.data import SUFFIXES, read_photo
from training.randomness import chance, randint

MOST_TURNED = 0.3
"""Faces that are more turned (`pose_deviation`) are not trained on."""
COARSE_SCALE = 0.75
"""Faces with fewer pixels of the picture for one of the crop are compared at half size."""
MOST_SHIFT_PX = 5


@dataclass(frozen=True, slots=True)
class Faces:
    """Upright faces.

    Attributes:
        crops: (N, 3, CROP_PX, CROP_PX) uint8.
        scales: (N,) pixels of the picture for one of the crop: below 1 the crop is an enlargement.
        folders, persons: of each; who is seen, as far as the file's name says it.
    """

    crops: Tensor
    scales: Tensor
    folders: list[str]
    persons: list[str]

    def hold_out(self, every: int) -> tuple[list[int], list[int]]:
        """Return the numbers of every `every`-th person's faces, by folder, for validation; and of all others."""
        held = set()
        for folder in dict.fromkeys(self.folders):
            people = zip(self.folders, self.persons, strict=True)
            persons = dict.fromkeys(person for home, person in people if home == folder)
            held |= {(folder, person) for person in list(persons)[::every]}
        keys = list(zip(self.folders, self.persons, strict=True))
        return (
            [number for number, key in enumerate(keys) if key in held],
            [number for number, key in enumerate(keys) if key not in held],
        )

    def is_coarse(self, number: int) -> bool:
        """Return whether the picture was too small to show what a crop could hold."""
        return float(self.scales[number]) < COARSE_SCALE

    def draw(self, number: int, rng: torch.Generator) -> Tensor:
        """Return a face as float in [0, 1], by chance mirrored, and shifted as a detector may be mistaken."""
        face = self.crops[number].float() / 255
        if chance(0.5, rng):
            face = face.flip(-1)
        padded = F.pad(face[None], (MOST_SHIFT_PX,) * 4, mode="replicate")[0]
        y, x = (randint(0, 2 * MOST_SHIFT_PX + 1, rng) for _ in range(2))
        return padded[:, y : y + CROP_PX, x : x + CROP_PX]


def load_faces(root: Path, folders: Sequence[str], file: Path, detector: Finder) -> Faces:
    """Read the faces from `file`; where it is not there, or holds other folders, make it.

    Args:
        root: of the pictures.
        folders: below `root`.
    """
    stored: dict[str, Any] = torch.load(file, weights_only=True, mmap=True) if file.exists() else {}
    if stored.get("sources") != list(folders):
        print(f"finding faces for {file}", flush=True)
        stored = {"sources": list(folders), **_find_all(root, folders, detector)}
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".tmp")
        torch.save(stored, temporary)
        temporary.replace(file)
    return Faces(stored["crops"], stored["scales"], stored["folders"], stored["persons"])


def person_of(file: Path) -> str:
    """Return who is seen: the file's name without the number of the picture, where it ends with one."""
    name, _, number = file.stem.rpartition("_")
    return name if name and number.isdigit() else file.stem


def _find_all(root: Path, folders: Sequence[str], detector: Finder) -> dict[str, Any]:
    crops, scales, homes, persons = [], [], [], []
    for folder in folders:
        files = sorted(file for file in (root / folder).rglob("*") if file.suffix.lower() in SUFFIXES)
        for file in files:
            if (found := _upright(read_photo(file).float() / 255, detector)) is None:
                continue
            crops.append(found[0])
            scales.append(found[1])
            homes.append(folder)
            persons.append(person_of(file))
        print(f"{folder}: {homes.count(folder)} faces in {len(files)} pictures", flush=True)
    return {
        "crops": torch.stack(crops), "scales": torch.tensor(scales), "folders": homes, "persons": persons,
    }  # fmt: skip


def _upright(image: Tensor, detector: Finder) -> tuple[Tensor, float] | None:
    """The surest face, uint8, and its scale; None where there is none or it is turned."""
    faces = find_faces(image, detector)
    if not faces:
        return None
    alignment = align(faces[0].landmarks)
    if pose_deviation(faces[0], alignment) > MOST_TURNED:
        return None
    return (cut(image, alignment) * 255).round().byte(), alignment.scale
