"""Choose what a pack takes of each folder of the data root: files that belong together, the most wanted first.

Each function gets the folder and a generator that the pack's seed decides.
"""

from __future__ import annotations

import itertools
import operator
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from training.data import SUFFIXES
from training.degradations.sources import HELD_OUT_SCANS, STAMP_KINDS, part_of
from training.marked import ANNOTATIONS, TEST_PRINTS
from training.marking.draw import draw_mask
from training.marking.grammar import read_annotation
from training.packed_pictures import as_jpeg, as_png, compressed, in_16_levels, large_first, random_crop, read

PHOTO_QUALITY, PAPER_QUALITY = 92, 78
VALIDATION_EVERY, VALIDATION_FIRST = 40, 16
"""Every n-th photograph of a folder, and its first ones, validate some network."""
File = tuple[str, bytes]
"""A name below a folder, and what the file holds."""


def photographs(folder: Path, rng: random.Random) -> Iterator[list[File]]:
    """Yield crops; those that validate keep their places, all others come by chance, large ones first."""
    files = picture_files(folder)
    fixed = {i for i in range(len(files)) if i % VALIDATION_EVERY == 0 or i < VALIDATION_FIRST}
    others = iter(large_first([file for i, file in enumerate(files) if i not in fixed], rng))
    for place in itertools.count():
        file = files[place] if place in fixed else next(others, None)
        if file is None:
            return
        yield [(f"{place:04}_{file.stem}.jpg", as_jpeg(random_crop(read(file), rng), PHOTO_QUALITY))]


def faces(folder: Path, rng: random.Random) -> Iterator[list[File]]:
    """Yield whole pictures, unchanged."""
    files = picture_files(folder)
    rng.shuffle(files)
    return ([(file.name, file.read_bytes())] for file in files)


def pairs(folder: Path, rng: random.Random) -> Iterator[list[File]]:
    """Yield noisy photographs and their means, unchanged: to compress them again would change their noise."""
    noisy = sorted(folder.glob("*_real.*"))
    rng.shuffle(noisy)
    for file in noisy:
        both = (file, file.with_name(file.name.replace("_real", "_mean")))
        yield [(one.name, one.read_bytes()) for one in both]


def old_photographs(folder: Path, rng: random.Random) -> Iterator[list[File]]:
    """Yield whole real old photographs."""
    files = picture_files(folder)
    rng.shuffle(files)
    return ([(f"{file.stem}.jpg", compressed(file))] for file in files)


def sound_photographs(folder: Path, _: random.Random) -> Iterator[list[File]]:
    """Yield the real old photographs without damage that the detector learns from."""
    names = (ANNOTATIONS / folder.name / "sound.txt").read_text().split()
    return ([(f"{name}.jpg", compressed(folder / f"{name}.jpg"))] for name in names)


def marked_prints(data: Path, _: random.Random) -> Iterator[list[File]]:
    """Yield prints and their masks, drawn from the pictures as they were before they are compressed again."""
    for file in sorted(ANNOTATIONS.glob("*/*.txt")):
        if file.stem in (*TEST_PRINTS, "sound"):
            continue
        annotation = read_annotation(file)
        picture = data / "domain" / file.parent.name / annotation.source
        mask = Image.fromarray(draw_mask(annotation, np.array(read(picture))))
        yield [
            (f"domain/{file.parent.name}/{file.stem}.jpg", compressed(picture)),
            (f"marks/{file.parent.name}/{file.stem}.png", as_png(mask)),
        ]


def crack_shapes(folder: Path, _: random.Random) -> Iterator[list[File]]:
    """Yield all but those held out, unchanged."""
    contents = ((file.name, file.read_bytes()) for file in sorted(folder.glob("*.png")))
    return ([(name, content)] for name, content in contents if part_of(content) != 0)


def stamps(folder: Path, rng: random.Random) -> Iterator[list[File]]:
    """Yield every kind in turn, none that is held out, in 16 levels; each kind begins with one that validates."""
    kinds = []
    for kind in STAMP_KINDS:
        files = [file for file in sorted((folder / kind).glob("*.png")) if part_of(file.read_bytes()) != 0]
        rng.shuffle(files)
        first = next((file for file in files if part_of(file.read_bytes()) == 1), None)
        files.sort(key=partial(operator.ne, first))
        kinds.append(files)
    for file in itertools.chain(*itertools.zip_longest(*kinds)):
        if file:
            yield [(f"{file.parent.name}/{file.name}", in_16_levels(file))]


def scan_labels(folder: Path, _: random.Random) -> Iterator[list[File]]:
    """Yield where there is any damage, in one bit, which is all that is read of them; none that is held out."""
    for file in sorted(folder.glob("*.png")):
        if file.name not in HELD_OUT_SCANS:
            with Image.open(file) as labels:
                yield [(file.name, as_png(Image.fromarray(np.array(labels.convert("L")) > 0)))]


def papers(folder: Path, _: random.Random) -> Iterator[list[File]]:
    """Yield whole pictures, compressed more."""
    return ([(file.name, as_jpeg(read(file), PAPER_QUALITY))] for file in sorted(folder.glob("*.jpg")))


def picture_files(folder: Path) -> list[Path]:
    """Find the pictures of a folder in the order in which `training.data.load_photos` reads them.

    Raises:
        FileNotFoundError: there are none.
    """
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    if not files:
        raise FileNotFoundError(f"{folder} holds no picture; see training/README.md")
    return files
