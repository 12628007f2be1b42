"""Bulk work against `pipeline.load()` in one process that uses all cores, by interleaved pairs of runs.

    python -m bench.bulk_speed                          # 200 small pictures, five pairs
    python -m bench.bulk_speed --pictures 16 --sides 480 640 --pairs 3

Both read the same files; bulk work writes its results as well. Of bulk work what counts is from its first result to
its last, since actors load networks for seconds; and the processor's time of all its processes, the driver and Ray's
own among them. Shown are ratios of throughput, bulk work's to the process's, with their 95 % interval. Exit status 1:
a result differs.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import torch

from bench.bulk import SIDES, finish, make, start
from bench.pairs import Run, ratios_of, run_in_pairs
from bench.tables import table
from photorestore import pipeline
from photorestore.options import Options
from photorestore.pipeline import Pipeline

EVERY_S = 0.2
"""How often bulk work is looked at."""
OPTIONS = Options(format="jpeg", timeout_s=600)


@dataclass(slots=True)
class Watch:
    """What the processes of a run had used, and how many results there were, moment by moment.

    Attributes:
        seen: results, seconds of the clock, and seconds of the processor.
    """

    output: Path
    seen: list[tuple[int, float, float]] = field(default_factory=list)

    def look(self, process: psutil.Process) -> None:
        """Note the present."""
        used_s = 0.0
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in (process, *process.children(recursive=True)):
                times = each.cpu_times()
                used_s += times.user + times.system
            self.seen.append((len(list(self.output.glob("*.jpg"))), time.monotonic(), used_s))

    def run(self) -> Run:
        """Return the seconds for all results, by those between the first one that was seen and the last."""
        at_work = [each for each in self.seen if each[0]]
        count = at_work[-1][0]
        first, last = at_work[0], next(each for each in at_work if each[0] == count)
        part = count / (count - first[0])
        return Run(wall=(last[1] - first[1]) * part, cpu=(last[2] - first[2]) * part)


def run_bulk(source: Path, output: Path, actors: int) -> Run:
    """Run bulk work to its end."""
    over = threading.Event()
    watch, process = Watch(output), start(source, output, actors)

    def look() -> None:
        while not over.wait(EVERY_S):
            watch.look(psutil.Process(process.pid))

    looking = threading.Thread(target=look)
    looking.start()
    finish(process)
    over.set()
    looking.join()
    return watch.run()


@dataclass(slots=True)
class Alone:
    """The pipeline in this process.

    Attributes:
        digests: SHA-256 of the results, by file name.
    """

    loaded: Pipeline
    digests: dict[str, bytes] = field(default_factory=dict)

    def run(self, source: Path) -> Run:
        """Restore all pictures of a folder, one after the other."""
        files = sorted(source.glob("*.jpg"))
        self.loaded.restore(files[0].read_bytes(), OPTIONS)  # the first one is slow
        wall_s, cpu_s = time.monotonic(), time.process_time()
        for file in files:
            restored = self.loaded.restore(file.read_bytes(), OPTIONS)
            self.digests[file.name] = hashlib.sha256(restored.encoded).digest()
        return Run(wall=time.monotonic() - wall_s, cpu=time.process_time() - cpu_s)

    def differing(self, output: Path) -> int:
        """Return how many results in a folder are not those of this process."""
        return sum(
            hashlib.sha256((output / name).read_bytes()).digest() != digest
            for name, digest in self.digests.items()
        )


def measure(folder: Path, given: argparse.Namespace) -> int:
    """Print what was found; return how many results differ."""
    source = folder / "photos"
    source.mkdir()
    make(source, given.pictures, 0, tuple(given.sides))
    torch.set_num_threads(given.cores)
    alone = Alone(pipeline.load("auto", root=folder / "spaces"))
    outputs = [folder / f"restored-{number}" for number in range(given.pairs)]
    next_output = iter(outputs)
    runs = run_in_pairs(
        lambda: run_bulk(source, next(next_output), given.cores), lambda: alone.run(source), given.pairs
    )
    cpu, wall = ratios_of(*runs)
    megapixels = given.pictures * given.sides[0] * given.sides[1] / 1e6
    rows = [
        [
            name,
            *(f"{megapixels / statistics.median(getattr(run, clock) for run in side):.3f}" for side in runs),
            str(of),
        ]
        for name, clock, of in (("wall time", "wall", wall), ("processor time", "cpu", cpu))
    ]
    print(table(["megapixels a second of", "bulk work", "one process", "ratio"], rows))
    differing = sum(map(alone.differing, outputs))
    print(f"{differing} of {given.pairs * given.pictures} results differ")
    return differing


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--sides", type=int, nargs=2, default=SIDES, metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(1 if measure(Path(folder), given) else 0)


if __name__ == "__main__":
    main()
