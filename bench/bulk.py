"""Kill bulk work twice, let it end, and hold it against the pipeline in one process.

    python -m bench.bulk                                # 2,000 small pictures, 20 of them broken
    python -m bench.bulk --pictures 200 --broken 4
    python -m bench.bulk --kills 0                      # the driver's memory over a run that nobody kills
    python -m bench.bulk --kills 0 --actors 1 --actor-kills 1   # the driver goes on, its actor is killed

Prints what came of it as JSON. Exit status 1: a picture is missing, or was noted twice, or differs from what the
pipeline makes of it in one process.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from pyarrow import parquet

from photorestore import pipeline
from photorestore.options import Options

LEDGER = "photorestore-ledger"
SIDES = (96, 128)
"""Height and width of the pictures."""
KILLS = 2
"""How often the process is killed, after equal parts of all results."""
COMPARED = 50
"""Pictures that are restored in one process as well, for their bytes and for the time."""


Held = tuple[int, float, float, float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        results: files.
        rows: in the ledger, all of its files counted.
        twice: pictures that have more than one row.
        problems: how many rows have a problem, by type.
        differing: of those compared, how many differ from the pipeline's in one process.
        again_s: how long the run took that had nothing to do.
        held_mb: memory in the last run: pictures that came back, megabytes of the driver alone resident (RSS), what of
            them is not shared with other processes (PSS), and the PSS of the driver, Ray's own processes and actors.
        peak_mb: the most of each of those.
        actors_killed: in the last run.
        seconds, pictures_s: of the last run, actors' start counted, and its pictures a second.
        mp_s: megapixels a second of the last run, actors' start not counted.
        alone_mp_s: the same of the pipeline in this process.
    """

    results: int
    rows: int
    twice: int
    problems: dict[str, int]
    differing: int
    again_s: float
    held_mb: list[Held]
    peak_mb: list[float]
    actors_killed: int
    seconds: float
    pictures_s: float
    mp_s: float
    alone_mp_s: float


def make(folder: Path, pictures: int, broken: int, sides: tuple[int, int] = SIDES) -> None:
    """Write pictures of a height and width, of which some are broken, spread evenly."""
    height, width = sides
    for number in range(pictures):
        rng = np.random.default_rng(number)
        coarse = Image.fromarray(rng.integers(20, 235, (6, 8, 3), np.uint8)).resize((width, height))
        noisy = np.asarray(coarse, np.float64) + rng.normal(0, number % 20, (height, width, 3))
        file = io.BytesIO()
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=92)
        is_broken = number * broken // pictures != (number + 1) * broken // pictures
        content = file.getvalue()
        (folder / f"{number:05}.jpg").write_bytes(content[: len(content) // 2] if is_broken else content)


def start(source: Path, output: Path, actors: int) -> subprocess.Popen[str]:
    """Start bulk work."""
    command = [
        sys.executable,
        "-m",
        "photorestore_bulk",
        str(source),
        "-o",
        str(output),
        "--actors",
        str(actors),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def kill_at(process: subprocess.Popen[str], output: Path, count: int) -> None:
    """Kill bulk work as soon as there are so many results."""
    while process.poll() is None and len(list(output.glob("*.jpg"))) < count:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()


def finish(process: subprocess.Popen[str], kills_at: Sequence[int] = ()) -> tuple[list[Held], str, int]:
    """Let bulk work end, and kill an actor when so many pictures have come back.

    Returns:
        The memory at each of the driver's lines, what it said last, and how many actors were killed.
    """
    driver, held, line, killed = psutil.Process(process.pid), list[Held](), "", 0
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.match(r"(\d+)/\d+ pictures, ", line):
            count, memory = int(found[1]), driver.memory_full_info()
            of_all = sum(map(_pss, (driver, *driver.children(recursive=True))))
            rss_mb, pss_mb, all_mb = (round(each / 1e6, 1) for each in (memory.rss, memory.pss, of_all))
            held.append((count, rss_mb, pss_mb, all_mb))
            if killed < len(kills_at) and count >= kills_at[killed]:
                killed += _kill_actor(driver)
    process.wait()
    return held, line, killed


def _pss(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.NoSuchProcess):
        return int(process.memory_full_info().pss)
    return 0


def _kill_actor(driver: psutil.Process) -> int:
    """Kill an actor by SIGKILL; return how many that are."""
    for process in driver.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::MapWorker"):
                process.kill()
                return 1
    return 0


def compare(source: Path, output: Path) -> tuple[int, float]:
    """Restore some pictures in this process; return how many differ, and megapixels a second."""
    options = Options(format="jpeg", timeout_s=600)
    differing = pixels = 0
    results = sorted(output.glob("*.jpg"))[:: max(1, len(list(output.glob("*.jpg"))) // COMPARED)]
    with tempfile.TemporaryDirectory() as root:
        loaded = pipeline.load("auto", root=Path(root) / "spaces")
        loaded.restore(results[0].read_bytes(), options)  # the first one is slow
        began = time.monotonic()
        for result in results:
            restored = loaded.restore((source / result.name).read_bytes(), options)
            differing += restored.encoded != result.read_bytes()
            pixels += restored.report.width * restored.report.height
    return differing, pixels / 1e6 / (time.monotonic() - began)


def parts(pictures: int, kills: int) -> list[int]:
    """Return after how many pictures something is killed, after equal parts of all."""
    return [round(pictures * kill / (kills + 1)) for kill in range(1, kills + 1)]


def measure(folder: Path, given: argparse.Namespace) -> Outcome:
    """Run it all in a folder."""
    source, output = folder / "photos", folder / "restored"
    source.mkdir()
    make(source, given.pictures, given.broken)
    for count in parts(given.pictures, given.kills):
        kill_at(start(source, output, given.actors), output, count)
        print(f"killed with {len(list(output.glob('*.jpg')))} results", file=sys.stderr, flush=True)
    there, began = len(list(output.glob("*.jpg"))), time.monotonic()
    held_mb, said, killed = finish(
        start(source, output, given.actors), parts(given.pictures, given.actor_kills)
    )
    seconds = time.monotonic() - began
    began = time.monotonic()
    finish(start(source, output, given.actors))
    again_s = time.monotonic() - began
    rows = [
        row for file in (output / LEDGER).glob("*.parquet") for row in parquet.read_table(file).to_pylist()
    ]
    noted = Counter(row["key"] for row in rows)
    differing, alone_mp_s = compare(source, output)
    return Outcome(
        results=len(list(output.glob("*.jpg"))),
        rows=len(rows),
        twice=sum(count > 1 for count in noted.values()),
        problems=dict(Counter(row["problem"] for row in rows if row["problem"])),
        differing=differing,
        again_s=round(again_s, 1),
        held_mb=held_mb,
        peak_mb=[max(each) for each in zip(*held_mb, strict=True)][1:],
        actors_killed=killed,
        seconds=round(seconds, 1),
        pictures_s=round((given.pictures - there) / seconds, 2),
        mp_s=float(said.rpartition(", ")[2].split()[0]),
        alone_mp_s=round(alone_mp_s, 3),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--broken", type=int, default=20)
    parser.add_argument("--actors", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--kills", type=int, default=KILLS, help="of the whole")
    parser.add_argument("--actor-kills", type=int, default=0, help="of an actor, in the last run")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = measure(Path(folder), given)
    print(json.dumps(asdict(outcome), indent=1))
    good = given.pictures - given.broken
    is_right = (
        outcome.actors_killed == given.actor_kills
        and outcome.results == good
        and outcome.rows == given.pictures
        and not outcome.twice
    )
    sys.exit(0 if is_right and not outcome.differing else 1)


if __name__ == "__main__":
    main()
