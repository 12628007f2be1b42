"""Compare two services that run, by interleaved pairs of the same requests.

Start both, each from its own checkout, with run directories and ports of their own, and name them by run directory
and address of the edge:

    python -m bench.served_pairs --old /tmp/old=http://127.0.0.1:8100 --new /tmp/new=http://127.0.0.1:8200

Services take turns; in every second pair the order is turned round. Of each pair the ratio new / old is taken: of wall
time, and of the processor time of all processes of a service. Shown are the median and its 95 % interval. What memory
a service holds (proportional set size, so that shared pages count once) is read before the first request.

`1 MP` is one request at a time with three stages of networks, `eight at once` is a round of eight such requests, and
`passing 16 MP` one request that asks for no stage.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

from bench.pairs import Run, ratios_of, run_in_pairs
from bench.service import made_once, session
from bench.statistics import Ratio
from bench.tables import table

RESTORED = "stages=denoise,scratch,translate&format=jpeg"
PASSED = "stages=&format=jpeg&metadata=strip"
AT_ONCE = 8
SETTLES_S = 0.3
"""Waited after each run, so that what a service does once it has answered counts as its own."""
MB = 1e6


@dataclass(frozen=True, slots=True)
class Served:
    """A service that runs.

    Attributes:
        supervisor: the process that started all others of it.
        url: of its edge.
    """

    supervisor: psutil.Process
    url: str

    @classmethod
    def from_words(cls, words: str) -> Served:
        """Read `RUN_DIR=URL`.

        Raises:
            OSError: no service has this run directory.
            ValueError: there is no `=`, or the run directory names no process.
        """
        run_dir, url = words.split("=", 1)
        return cls(psutil.Process(int((Path(run_dir) / "pid").read_text())), url)

    @property
    def processes(self) -> list[psutil.Process]:
        return [self.supervisor, *self.supervisor.children(recursive=True)]

    def memory_mb(self) -> float:
        """Return the proportional set size of all its processes."""
        return sum(process.memory_full_info().pss for process in self.processes) / MB

    def cpu_s(self) -> float:
        """Return the processor time that its living processes have used."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)

    def restore(self, picture: bytes, query: str) -> None:
        """Have one picture restored.

        Raises:
            requests.HTTPError: it was not.
        """
        session().post(f"{self.url}/v1/restore?{query}", data=picture, timeout=900).raise_for_status()

    def measured(self, request: Callable[[Served], None]) -> Run:
        """Run a case and return what it took."""
        cpu, wall = self.cpu_s(), time.perf_counter()
        request(self)
        wall = time.perf_counter() - wall
        time.sleep(SETTLES_S)
        return Run(wall, self.cpu_s() - cpu)


def one(served: Served) -> None:
    """Ask for one picture of 1 MP."""
    served.restore(made_once(816, 1224), RESTORED)


def eight_at_once(served: Served) -> None:
    """Ask for eight pictures of 1 MP at the same moment."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _: served.restore(made_once(816, 1224), RESTORED), range(AT_ONCE)))


def passing(served: Served) -> None:
    """Ask for a picture of 16 MP as it is, encoded anew."""
    served.restore(made_once(3264, 4896), PASSED)


class Case(NamedTuple):
    """What is asked for, and by how many pairs it is measured."""

    request: Callable[[Served], None]
    pairs: int


CASES = {"1 MP": Case(one, 15), "eight at once": Case(eight_at_once, 4), "passing 16 MP": Case(passing, 8)}


def compare(old: Served, new: Served, case: Case) -> tuple[Ratio, Ratio]:
    """Return the ratios new / old of processor time and of wall time; the first run of each warms it up."""
    for side in (old, new):
        case.request(side)
    runs = run_in_pairs(lambda: old.measured(case.request), lambda: new.measured(case.request), case.pairs)
    return ratios_of(*runs)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for side in ("old", "new"):
        parser.add_argument(f"--{side}", type=Served.from_words, required=True, metavar="RUN_DIR=URL")
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    told = parser.parse_args(arguments)
    memory = [side.memory_mb() for side in (told.old, told.new)]
    print(
        f"memory before the first request: {memory[0]:.0f} and {memory[1]:.0f} MB, ratio {memory[1] / memory[0]:.3f}"
    )
    rows = [[name, *map(str, compare(told.old, told.new, CASES[name]))] for name in told.cases]
    print(table(["case", "processor time, new / old", "wall time, new / old"], rows))


if __name__ == "__main__":
    main()
