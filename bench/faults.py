"""Measure how a service bears killed processes, full disks and clocks that jump, while it is used.

    python -m bench.faults
    python -m bench.faults --only processes clock

Three callers with the project's own client restore pictures, and a fourth leaves jobs, before, during and after each
fault. Wanted: the service is whole again by itself, the client sees no error, no job is lost and none runs for ever.
Disks are file systems in memory, which only root may mount; without root those faults are left out. The clock is one
that `clock.c`, compiled by `cc`, shows the service's processes; the machine's own stays. All on 127.0.0.1, for a
quarter of an hour.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import requests

from bench.callers import QUIET_S, loaded
from bench.load import is_ready, wait_until
from bench.service import Service, running_service
from bench.soak import kind_of
from bench.statistics import write
from photorestore.options import STAGES

TIMES = 2
"""How often each process is killed."""
WHOLE_S = 180.0
"""How long the service may take to be whole again."""
FULL_S = 60.0
HOUR_S = 3600
OF_DISKS = ("jobs_full", "shared_memory_full")
DISK_MB = {"root": 400, "jobs": 40}


def under(service: Service, faults: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what faults gave, and what the callers saw of them."""
    with loaded(service) as load:
        found = faults()
    return found | {
        "restored": load.restored,
        "client_errors": len(load.errors),
        "jobs": load.states(),
        "whole": is_whole(service),
    }


def is_whole(service: Service) -> bool:
    """Return whether the edge is ready and every stage has a worker."""
    return is_ready(service) and set(workers(service).values()) == set(STAGES)


def workers(service: Service) -> dict[int, str]:
    """Return the stage of each worker that is ready, by process id."""
    found = {}
    for stage in STAGES:
        url = f"http://127.0.0.1:{service.port + 1}/models/restore__{stage}"
        with contextlib.suppress(requests.RequestException, LookupError, ValueError):
            for worker in requests.get(url, timeout=10).json()[0]["workers"]:
                if worker["status"] == "READY":
                    found[worker["pid"]] = stage
    return found


def kill_each(service: Service) -> dict[str, Any]:
    """Kill every process by SIGKILL, one after the other, `TIMES` over; return the longest times to recovery."""
    longest: dict[str, float] = {}
    count = len(workers(service))
    for _ in range(TIMES):
        kept = {kind_of(child): child.pid for child in service.supervisor.children()}
        victims = {f"worker of {stage}": pid for pid, stage in workers(service).items()}
        for name, pid in (
            victims | {name: kept[name] for name in ("edge", "template", "torchserve")}
        ).items():
            psutil.Process(pid).kill()
            longest[name] = max(longest.get(name, 0.0), _seconds_until_whole(service, {pid}, count))
    return {"seconds_until_whole": longest}


def kill_workers(service: Service) -> dict[str, Any]:
    """Kill all workers at once, `TIMES` over."""
    longest = 0.0
    for _ in range(TIMES):
        pids = set(workers(service))
        for pid in pids:
            psutil.Process(pid).kill()
        longest = max(longest, _seconds_until_whole(service, pids, len(pids)))
    return {"seconds_until_whole": longest}


def _seconds_until_whole(service: Service, killed: set[int], count: int) -> float:
    """Return the seconds until the edge is ready with as many workers as before, none of them among the killed."""
    start = time.monotonic()
    wait_until(lambda: is_ready(service) and len(set(workers(service)) - killed) == count, WHOLE_S)
    seconds = round(time.monotonic() - start, 1)
    print(f"whole again after {seconds} s", flush=True)
    time.sleep(QUIET_S)
    return seconds


def fill(folder: Path) -> dict[str, Any]:
    """Fill a folder's file system for a minute."""
    block = folder / "filling"
    with contextlib.suppress(OSError), block.open("wb") as file:
        while True:
            file.write(bytes(1 << 16))
    time.sleep(FULL_S)
    block.unlink()
    return {"full_s": FULL_S}


def shift_clock(file: Path) -> dict[str, Any]:
    """Set the clock an hour on, two back, and right again."""
    for offset_s in (HOUR_S, -HOUR_S, 0):
        file.write_text(str(offset_s))
        time.sleep(4 * QUIET_S)
    return {"clock_shifts_s": [HOUR_S, -2 * HOUR_S, HOUR_S]}


@contextlib.contextmanager
def disks(folder: Path) -> Iterator[dict[str, Path]]:
    """Mount small file systems for workspaces and jobs; plain folders where the user is not root."""
    places = {name: folder / name for name in DISK_MB}
    with contextlib.ExitStack() as mounted:
        for name, place in places.items():
            place.mkdir(mode=0o700)
            if os.geteuid() == 0:
                _run("mount", "-t", "tmpfs", "-o", f"size={DISK_MB[name]}m,mode=700", "tmpfs", str(place))
                mounted.callback(_run, "umount", "-l", str(place))
        yield places


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def measure(only: Sequence[str]) -> dict[str, Any]:
    """Try some faults, or all, one after the other, on one service."""
    with tempfile.TemporaryDirectory() as name, disks(Path(name)) as places:
        folder = Path(name)
        clock = folder / "clock"
        clock.write_text("0")
        environment = {"LD_PRELOAD": str(_clock_library(folder)), "CLOCK_FILE": str(clock)}
        with running_service(
            {"jobs_dir": str(places["jobs"])}, root=places["root"], environment=environment
        ) as service:
            faults: dict[str, Callable[[], dict[str, Any]]] = {
                "processes": lambda: kill_each(service),
                "all_workers": lambda: kill_workers(service),
                "clock": lambda: shift_clock(clock),
                "jobs_full": lambda: fill(places["jobs"]),
                "shared_memory_full": lambda: fill(places["root"]),
            }
            chosen = [name for name in faults if name in only or not only]
            return {
                name: _told(name, under(service, faults[name]))
                for name in chosen
                if os.geteuid() == 0 or name not in OF_DISKS
            }


def _clock_library(folder: Path) -> Path:
    library = folder / "clock.so"
    source = Path(__file__).with_name("clock.c")
    _run("cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source))
    return library


def _told(name: str, found: dict[str, Any]) -> dict[str, Any]:
    print(name, json.dumps(found), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=(), metavar="FAULT", help="such as clock; default: all")
    found = measure(parser.parse_args().only)
    print(json.dumps(found, indent=1), flush=True)
    write("faults", {"cores": len(os.sched_getaffinity(0)), "figures": found})


if __name__ == "__main__":
    main()
