"""Measure what a service keeps of thousands of requests, then of thousands of jobs. Run it on an idle machine.

    python -m bench.soak
    python -m bench.soak --requests 2000 --jobs 500

Every request is a picture that nobody has sent before. Nine in ten ask for no stage, one is restored. Wanted: no
errors, and as many threads and descriptors and as much memory as after the first thousand.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psutil
from photorestore_client import Client, RestoreError

from bench.load import wait_until
from bench.service import Service, made_once, running_service
from bench.statistics import write

AT_ONCE = 10
SETTLED_AFTER = 1000
RESTORED_EVERY = 10
SETTLES_S = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--jobs", type=int, default=5_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as jobs, running_service({"jobs_dir": jobs}) as service:
        figures = measure(service, arguments.requests, arguments.jobs)
    print(json.dumps(figures, indent=1), flush=True)
    write("soak", {"cores": len(os.sched_getaffinity(0)), "figures": figures})


def measure(service: Service, requests: int, jobs: int) -> dict[str, Any]:
    """Measure what the processes hold after the first thousand requests, after all, and after the jobs."""
    with Client(service.url, connections=AT_ONCE) as client:
        errors = _all(partial(_ask, client.restore), range(SETTLED_AFTER))
        settled = held(service)
        start = time.monotonic()
        errors += _all(partial(_ask, client.restore), range(SETTLED_AFTER, requests))
        seconds, after_requests = time.monotonic() - start, held(service)
        start = time.monotonic()
        errors += _all(partial(_job, client), range(requests, requests + jobs))
        seconds_jobs = time.monotonic() - start
        wait_until(lambda: not any(service.root.iterdir()), SETTLES_S)
        left = len(list(service.root.iterdir()))
        return {
            "requests": requests,
            "jobs": jobs,
            "at_once": AT_ONCE,
            "errors": errors[:10],
            "error_count": len(errors),
            "requests_per_s": round((requests - SETTLED_AFTER) / seconds, 1),
            "jobs_per_s": round(jobs / seconds_jobs, 1),
            "workspaces_left": left,
            "after_first_1000": settled,
            "after_requests": after_requests,
            "after_jobs": held(service),
        }


def held(service: Service) -> dict[str, Any]:
    """Return resident memory in MB, threads and descriptors, by kind of process; and the logs' size."""
    found: dict[str, Any] = {}
    for process in service.supervisor.children(recursive=True):
        kind = kind_of(process)
        mine = found.setdefault(kind, {"processes": 0, "mb": 0.0, "threads": 0, "descriptors": 0})
        mine["processes"] += 1
        mine["mb"] = round(mine["mb"] + process.memory_info().rss / 1e6, 1)
        mine["threads"] += process.num_threads()
        mine["descriptors"] += process.num_fds()
    logs = sum(file.stat().st_size for file in service.run_dir.rglob("*.log*"))
    return found | {"logs_mb": round(logs / 1e6, 1)}


def kind_of(process: psutil.Process) -> str:
    """Return `edge`, `torchserve`, `workers`, `launchers` or `template`."""
    command, name = process.cmdline(), process.name()
    if "gateway" in command:
        return "edge"
    if "backend.template" in command:
        return "workers" if name == "worker" else "template"
    return "torchserve" if "java" in name else "launchers" if name == "sh" else "workers"


def _ask(send: Callable[..., Any], number: int) -> Any:
    """Send a noisy picture; what stands behind a JPEG's end makes each another one."""
    options: dict[str, list[str]] = {} if number % RESTORED_EVERY == 0 else {"stages": []}
    return send(made_once(96, 96) + b"%d" % number, **options)


def _job(client: Client, number: int) -> None:
    job = _ask(client.submit, number)
    client.wait(job)
    client.cancel(job)  # forgotten with its result, as a caller does that has fetched it


def _all(call: Callable[[int], object], numbers: Sequence[int]) -> list[str]:
    """Call with each number, `AT_ONCE` at a time; gives what was raised."""

    def tried(number: int) -> str | None:
        try:
            call(number)
        except (RestoreError, OSError) as error:
            return repr(error)
        return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [error for error in pool.map(tried, numbers) if error]


if __name__ == "__main__":
    main()
