"""Make a pack of training pictures that is small enough to take along, for a GPU on a machine without the pictures.

    python -m training.pack                      # 24 MiB for all networks -> pack/train
    python -m training.pack --network denoise    # only what one network reads: more photographs of it

The pack is laid out as the data root is: every training script reads it with `--data pack/train`, and what was marked
by eye with `--masks pack/train/marks`. Which pictures, and which part of each, a seed decides; large photographs are
preferred.

What is held out stays held out. Stamps, shapes and scans that training never sees and the prints of the test are not
taken along; those of validation remain its own, though their bytes may change; and a photograph that validates here
validates there, because it has the same place in its folder. Only faces are divided anew.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from training.commit import PACK_RECORD, commit_hash
from training.data import SUFFIXES
from training.degradations.sources import HELD_OUT_SCANS, STAMP_KINDS, part_of
from training.marked import ANNOTATIONS, TEST_PRINTS
from training.marking.draw import draw_mask
from training.marking.grammar import read_annotation
from training.packed_pictures import as_jpeg, as_png, compressed, in_16_levels, large_first, random_crop, read

MEBIBYTE = 2**20
PHOTO_QUALITY, PAPER_QUALITY = 92, 78
VALIDATION_EVERY, VALIDATION_FIRST = 40, 16
"""Every so-many-th photograph of a folder, and its first ones, validate some network."""

File = tuple[str, bytes]
"""A name below a folder, and what the file holds."""


@dataclass(frozen=True, slots=True)
class Part:
    """A folder of the data root.

    Attributes:
        networks: that read it.
        units: files that belong together, the most wanted first; from the folder and a seeded generator.
        weight: of the room that is left, as much as this against the parts that follow; 0: all of it is taken along.
    """

    folder: str
    networks: frozenset[str]
    units: Callable[[Path, random.Random], Iterator[list[File]]]
    weight: float = 0.0


class Pack:
    """A folder that is filled up to a number of bytes."""

    def __init__(self, root: Path, most_bytes: int) -> None:
        self.root, self.room = root, most_bytes
        self.sizes: dict[str, int] = {}

    def fill(self, part: Part, units: Iterator[list[File]], room: float) -> None:
        """Write units until the next one would not fit into the room.

        Raises:
            ValueError: a part that has to be complete does not fit.
        """
        for unit in units:
            named = [(str(Path(part.folder) / name), content) for name, content in unit]
            missing = [(name, content) for name, content in named if name not in self.sizes]
            size = sum(len(content) for _, content in missing)
            if size > room:
                if not part.weight:
                    raise ValueError(
                        f"{part.folder} has to be complete and does not fit: allow more mebibytes"
                    )
                return
            room -= size
            for name, content in missing:
                self._write(name, content)

    def _write(self, name: str, content: bytes) -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        self.sizes[name] = len(content)
        self.room -= len(content)


def make_pack(data: Path, root: Path, *, network: str | None, most_bytes: int, seed: int) -> Pack:
    """Fill a folder anew.

    Args:
        network: only what this one reads; None = all.

    Raises:
        FileExistsError: the folder is there and no pack.
        FileNotFoundError: a folder of the data root is missing.
    """
    if root.exists():
        if not (root / PACK_RECORD).exists():
            raise FileExistsError(f"{root} is there and no pack: it would be deleted")
        shutil.rmtree(root)
    root.mkdir(parents=True)
    record = {"commit": commit_hash(), "seed": seed, "network": network or "all"}
    (root / PACK_RECORD).write_text(json.dumps(record) + "\n")
    pack = Pack(root, most_bytes)
    parts = [part for part in PARTS if network is None or network in part.networks]
    weights = sum(part.weight for part in parts)
    for part in parts:
        room = pack.room * part.weight / weights if part.weight else pack.room
        weights -= part.weight
        rng = random.Random(f"{seed} {part.folder}")  # noqa: S311 - nothing secret
        pack.fill(part, part.units(data / part.folder, rng), room)
    return pack


def photographs(folder: Path, rng: random.Random) -> Iterator[list[File]]:
    """Crops; who validates in the whole folder has its old place, all others come by chance, large ones first."""
    files = picture_files(folder)
    fixed = {i for i in range(len(files)) if i % VALIDATION_EVERY == 0 or i < VALIDATION_FIRST}
    others = iter(large_first([file for i, file in enumerate(files) if i not in fixed], rng))
    for place in itertools.count():
        file = files[place] if place in fixed else next(others, None)
        if file is None:
            return
        yield [(f"{place:04}_{file.stem}.jpg", as_jpeg(random_crop(read(file), rng), PHOTO_QUALITY))]


def faces(folder: Path, rng: random.Random) -> Iterator[list[File]]:
    """Whole pictures, unchanged."""
    files = picture_files(folder)
    rng.shuffle(files)
    return ([(file.name, file.read_bytes())] for file in files)


def pairs(folder: Path, rng: random.Random) -> Iterator[list[File]]:
    """Noisy photographs and their means, unchanged: to compress them again would change their noise."""
    noisy = sorted(folder.glob("*_real.*"))
    rng.shuffle(noisy)
    for file in noisy:
        both = (file, file.with_name(file.name.replace("_real", "_mean")))
        yield [(one.name, one.read_bytes()) for one in both]


def old_photographs(folder: Path, rng: random.Random) -> Iterator[list[File]]:
    """Whole real old photographs."""
    files = picture_files(folder)
    rng.shuffle(files)
    return ([(f"{file.stem}.jpg", compressed(file))] for file in files)


def sound_photographs(folder: Path, _: random.Random) -> Iterator[list[File]]:
    """The real old photographs without damage that the detector learns from."""
    names = (ANNOTATIONS / folder.name / "sound.txt").read_text().split()
    return ([(f"{name}.jpg", compressed(folder / f"{name}.jpg"))] for name in names)


def marked_prints(data: Path, _: random.Random) -> Iterator[list[File]]:
    """Prints and their masks, drawn from the pictures as they were before they are compressed again."""
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
    """All but those held out, unchanged."""
    contents = ((file.name, file.read_bytes()) for file in sorted(folder.glob("*.png")))
    return ([(name, content)] for name, content in contents if part_of(content) != 0)


def stamps(folder: Path, rng: random.Random) -> Iterator[list[File]]:
    """Every kind in turn, none that is held out, in 16 levels; each kind begins with one that validates."""
    kinds = []
    for kind in STAMP_KINDS:
        files = [file for file in sorted((folder / kind).glob("*.png")) if part_of(file.read_bytes()) != 0]
        rng.shuffle(files)
        first = next((file for file in files if part_of(file.read_bytes()) == 1), None)
        files.sort(key=lambda file, first=first: file != first)  # type: ignore[misc]
        kinds.append(files)
    for file in itertools.chain(*itertools.zip_longest(*kinds)):
        if file:
            yield [(f"{file.parent.name}/{file.name}", in_16_levels(file))]


def scan_labels(folder: Path, _: random.Random) -> Iterator[list[File]]:
    """Where there is any damage, in one bit, which is all that is read of them; none that is held out."""
    for file in sorted(folder.glob("*.png")):
        if file.name not in HELD_OUT_SCANS:
            with Image.open(file) as labels:
                yield [(file.name, as_png(Image.fromarray(np.array(labels.convert("L")) > 0)))]


def papers(folder: Path, _: random.Random) -> Iterator[list[File]]:
    """Whole, compressed more."""
    return ([(file.name, as_jpeg(read(file), PAPER_QUALITY))] for file in sorted(folder.glob("*.jpg")))


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder in the order in which `training.data.load_photos` reads them.

    Raises:
        FileNotFoundError: there are none.
    """
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    if not files:
        raise FileNotFoundError(f"{folder} holds no picture; see training/README.md")
    return files


DETECTORS = frozenset({"scratch", "scratch_print"})
DAMAGED = DETECTORS | {"translate"}
CLEAN = frozenset({"denoise", "upscale", "upscale_real"})
PARTS = (
    Part("domain/crack_shapes", DAMAGED, crack_shapes),
    Part("domain/film_scan_labels", DAMAGED, scan_labels),
    Part("domain/paper_textures", DAMAGED | {"denoise"}, papers),
    Part("", DETECTORS, marked_prints),
    Part("domain/old_real", DAMAGED, sound_photographs),
    Part("domain/damage_stamps", DAMAGED, stamps, 1.6),
    Part("domain/polyu_pairs", frozenset({"denoise"}), pairs, 0.8),
    Part("domain/old_real", frozenset({"translate"}), old_photographs, 0.6),
    Part("domain/faces/lfwgray128", frozenset({"face"}), faces, 0.4),
    Part("domain/faces/ytf128", frozenset({"face"}), faces, 0.4),
    Part("domain/faces/aaf256", frozenset({"face"}), faces, 1.2),
    Part("domain/faces/ccby320", DETECTORS | {"face"}, faces, 1.4),
    Part("photos_b/sunhays80", CLEAN | DAMAGED, photographs, 0.8),
    Part("photos_b/imagenet1k", DAMAGED, photographs, 0.8),
    Part("photos_b/osie", CLEAN | DAMAGED, photographs, 1.2),
    Part("photos_a/bsds400", CLEAN | DAMAGED, photographs, 3.2),
    Part("photos_a/hr", CLEAN | DAMAGED, photographs, 4.0),
)
"""First what has to be complete; of the others, those that are soon used up."""
NETWORKS = sorted(frozenset.union(*(part.networks for part in PARTS)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/train"))
    parser.add_argument("--out", type=Path, default=Path("pack"), help="the pack is `train` below it")
    parser.add_argument("--network", choices=NETWORKS, help="only what this one reads; default: all")
    parser.add_argument("--mebibytes", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    begun = time.monotonic()
    pack = make_pack(
        arguments.data,
        arguments.out / "train",
        network=arguments.network,
        most_bytes=int(arguments.mebibytes * MEBIBYTE),
        seed=arguments.seed,
    )
    counts, sizes = Counter[str](), Counter[str]()
    for name, size in pack.sizes.items():
        folder = str(Path(name).parent)
        counts[folder] += 1
        sizes[folder] += size
    for folder in sorted(sizes):
        print(f"{folder:32} {counts[folder]:5} files {sizes[folder] / MEBIBYTE:6.2f} MiB")
    print(f"{len(pack.sizes)} files, {sizes.total() / MEBIBYTE:.2f} MiB, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
