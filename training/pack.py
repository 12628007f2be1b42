"""Make a pack of training pictures that is small enough to take along, for a GPU on a machine without the pictures.

    python -m training.pack                      # 24 MiB for all networks -> pack/train
    python -m training.pack --network denoise    # only what one network reads: more photographs of it

The pack is laid out as the data root is: every training script reads it with `--data pack/train`, and what was marked
by eye with `--masks pack/train/marks`. A seed decides which pictures are taken, and which part of each; large
photographs are preferred.

What is held out stays held out. Stamps, shapes and scans that training never sees and the prints of the test are not
taken along; those of validation remain its own, though their bytes may change; and a photograph that validates here
validates there, because it has the same place in its folder. Only faces are divided anew.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from training import pack_units
from training.commit import PACK_RECORD, commit_hash
from training.pack_units import File

MEBIBYTE = 2**20


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


DETECTORS = frozenset({"scratch", "scratch_print"})
DAMAGED = DETECTORS | {"translate"}
CLEAN = frozenset({"denoise", "upscale", "upscale_real"})
PARTS = (
    Part("domain/crack_shapes", DAMAGED, pack_units.crack_shapes),
    Part("domain/film_scan_labels", DAMAGED, pack_units.scan_labels),
    Part("domain/paper_textures", DAMAGED | {"denoise"}, pack_units.papers),
    Part("", DETECTORS, pack_units.marked_prints),
    Part("domain/old_real", DAMAGED, pack_units.sound_photographs),
    Part("domain/damage_stamps", DAMAGED, pack_units.stamps, 1.6),
    Part("domain/polyu_pairs", frozenset({"denoise"}), pack_units.pairs, 0.8),
    Part("domain/old_real", frozenset({"translate"}), pack_units.old_photographs, 0.6),
    Part("domain/faces/lfwgray128", frozenset({"face"}), pack_units.faces, 0.4),
    Part("domain/faces/ytf128", frozenset({"face"}), pack_units.faces, 0.4),
    Part("domain/faces/aaf256", frozenset({"face"}), pack_units.faces, 1.2),
    Part("domain/faces/ccby320", DETECTORS | {"face"}, pack_units.faces, 1.4),
    Part("photos_b/sunhays80", CLEAN | DAMAGED, pack_units.photographs, 0.8),
    Part("photos_b/imagenet1k", DAMAGED, pack_units.photographs, 0.8),
    Part("photos_b/osie", CLEAN | DAMAGED, pack_units.photographs, 1.2),
    Part("photos_a/bsds400", CLEAN | DAMAGED, pack_units.photographs, 3.2),
    Part("photos_a/hr", CLEAN | DAMAGED, pack_units.photographs, 4.0),
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
