"""Compare two builds, or one build in two settings, by interleaved pairs of runs.

    python -m bench.pairs                                   # this checkout against the revision that gates.toml names
    python -m bench.pairs --old v1.2 --new ../other         # a revision against a checkout
    python -m bench.pairs --old .:precision=float32         # a setting of `StageConfig` against this checkout as it is
    python -m bench.pairs --cases "passing 1 MP" translate --pairs 20

Each side is a process that loads the pipeline once. They take turns, one waiting while the other computes; in every
second pair the order is turned round. Of each pair the ratio new / old is taken, which a busy machine hardly moves: of
wall time, and of the processor time of all threads, of which there is one unless `--threads` says otherwise. Shown are
the median and its 95 % interval.

Exit status 1: a median ratio of processor time is above what `[pairs]` in gates.toml allows. The gates hold for the
revision that stands there, on one thread, and are not looked at for other sides.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.statistics import Ratio, ratio_of
from bench.tables import table

HOME = Path(__file__).resolve().parent.parent
GATES = HOME / "bench" / "gates.toml"
LEAST_S = 0.3
"""A run repeats its case until it should take this long."""
HERE = "."


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds that a case took, on the average of its repetitions: by the clock, and of the processor."""

    wall: float
    cpu: float


class Side:
    """A process that holds one build.

    Attributes:
        cases: what it can run, by name.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.cases: list[str] = json.loads(self._answer())

    def run(self, case: str, times: int = 1) -> Run:
        """Run a case.

        Raises:
            RuntimeError: the process has ended.
        """
        assert self._process.stdin is not None
        print(json.dumps({"case": case, "times": times}), file=self._process.stdin, flush=True)
        return Run(**json.loads(self._answer()))

    def _answer(self) -> str:
        stdout: IO[str] | None = self._process.stdout
        assert stdout is not None
        if line := stdout.readline():
            return line
        raise RuntimeError("a side has ended")


@dataclass(frozen=True, slots=True)
class Compared:
    """A case on both sides."""

    case: str
    wall: Ratio
    cpu: Ratio
    old_ms: float
    new_ms: float


def compare(old: Side, new: Side, case: str, pairs: int) -> Compared:
    """Run a case in pairs; the first run of each side warms it up and says how often it is repeated."""
    slowest = max(side.run(case).wall for side in (old, new))
    times = max(1, math.ceil(LEAST_S / slowest))
    runs = run_in_pairs(lambda: old.run(case, times), lambda: new.run(case, times), pairs)
    cpu, wall = ratios_of(*runs)
    old_ms, new_ms = (1000 * min(run.cpu for run in each) for each in runs)
    return Compared(case, wall, cpu, old_ms, new_ms)


def run_in_pairs(old: Callable[[], Run], new: Callable[[], Run], pairs: int) -> tuple[list[Run], list[Run]]:
    """Run both sides in pairs, in every second one in the other order, and return the runs of each."""
    before, after = list[Run](), list[Run]()
    sides = [(old, before), (new, after)]
    for turn in range(pairs):
        for run, runs in sides if turn % 2 == 0 else reversed(sides):
            runs.append(run())
    return before, after


def ratios_of(old: Sequence[Run], new: Sequence[Run]) -> tuple[Ratio, Ratio]:
    """Return the ratios new / old of processor time and of wall time.

    Raises:
        ValueError: as by `ratio_of`.
    """
    cpu = ratio_of([run.cpu for run in old], [run.cpu for run in new])
    return cpu, ratio_of([run.wall for run in old], [run.wall for run in new])


@contextlib.contextmanager
def open_side(told: str, threads: int) -> Iterator[Side]:
    """Start the process of a side, until the block ends.

    Args:
        told: a folder with a checkout, or a revision of this one; after a colon settings of `StageConfig`, as
            `precision=float32,tile_px=1536`.
    """
    place, _, text = told.partition(":")
    settings = dict(setting.split("=", 1) for setting in text.split(",") if setting)
    numbers = {name: int(value) if value.isdigit() else value for name, value in settings.items()}
    with _checkout(place) as folder:
        environment = os.environ | {
            "PYTHONPATH": f"{folder / 'src'}{os.pathsep}{HOME}",
            "OMP_NUM_THREADS": str(threads),
        }
        command = [sys.executable, "-m", "bench.pairs_side", json.dumps(numbers)]
        with subprocess.Popen(
            command,
            cwd=HOME,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield Side(process)
            finally:
                process.terminate()


@contextlib.contextmanager
def _checkout(place: str) -> Iterator[Path]:
    """Yield a folder that holds a build: the one named, or a temporary one with a revision."""
    if (Path(place) / "src" / "photorestore").is_dir():
        yield Path(place).resolve()
        return
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(["git", "archive", place], cwd=HOME, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=packed, check=True)
        yield Path(folder)


def too_slow(compared: Sequence[Compared], gates: dict[str, float]) -> list[str]:
    """Return a sentence for each case whose median ratio of processor time is above its gate."""
    return [
        f"{each.case}: {each.cpu.median:.3f} of before; allowed are {gates[each.case]:g}"
        for each in compared
        if each.case in gates and each.cpu.median > gates[each.case]
    ]


def as_table(compared: Sequence[Compared]) -> str:
    """Write what was found: ratios new / old with their intervals, and the least milliseconds of the processor."""
    rows = [
        [each.case, str(each.cpu), str(each.wall), f"{each.old_ms:.1f}", f"{each.new_ms:.1f}"]
        for each in compared
    ]
    header = ["case", "processor time, new / old", "wall time, new / old", "old, best ms", "new, best ms"]
    return table(header, rows)


def main() -> None:
    gates = tomllib.loads(GATES.read_text())["pairs"]
    since = gates.pop("since")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--old", default=since, help="a checkout or a revision, with or without :settings")
    parser.add_argument("--new", default=HERE, help="likewise")
    parser.add_argument("--cases", nargs="*", help="by default all")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    with (
        open_side(arguments.old, arguments.threads) as old,
        open_side(arguments.new, arguments.threads) as new,
    ):
        names = arguments.cases or [case for case in old.cases if case in new.cases]
        compared = [compare(old, new, name, arguments.pairs) for name in names]
    print(as_table(compared))
    is_gated = (arguments.old, arguments.new, arguments.threads) == (since, HERE, 1)
    slow = too_slow(compared, gates) if is_gated else []
    print(*slow, sep="\n")
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main()
