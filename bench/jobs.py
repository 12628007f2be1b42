"""Two edges on one PostgreSQL: kill one at half of the jobs, then scale down, and count what came of them.

    python -m bench.jobs                                # 1,000 jobs, uploads and results in a folder
    python -m bench.jobs --jobs 200 --files s3          # in moto's server

The edges are real processes. A stand-in takes TorchServe's place: it hands each picture back after .2 s, and notes
what was run. Exit status 1: a job is lost, or has no result, or ran twice although the killed edge had not begun it, or
nobody was told of its end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from bench.stand_in import SIZE, Seen, serving
from bench.stores import S3, find_postgres, running_postgres, running_s3
from deploy.ports import free_ports

HOME = Path(__file__).resolve().parents[1]
LEASE_S = 6
AT_ONCE = 8
"""Uploads at a time."""
MAX_JOBS = 2
"""Jobs that an edge runs at a time."""
LONGEST_S = 900.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        states: jobs by state.
        without_result: jobs whose result cannot be had.
        run_twice: jobs that were begun twice; the killed edge had at most `MAX_JOBS` at work.
        at_once: how often a job was begun that was at work.
        untold: jobs of whose end nobody was told.
        told_twice: jobs of whose end somebody was told more than once.
        seconds: from the first submission to the last end.
        taken_over_s: from the kill to the end of the last job that was begun twice.
    """

    states: dict[str, int]
    without_result: int
    run_twice: int
    at_once: int
    untold: int
    told_twice: int
    seconds: float
    taken_over_s: float

    def is_as_wanted(self, jobs: int) -> bool:
        """Return whether all is well with that many jobs."""
        wrong = self.without_result + self.at_once + self.untold + (self.run_twice > MAX_JOBS)
        return not wrong and self.states == {"succeeded": jobs}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--files", choices=("folder", "s3"), default="folder")
    arguments = parser.parse_args()
    programs = find_postgres()
    assert programs is not None, "PostgreSQL is not installed: apt-get install postgresql"
    with contextlib.ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="jobs-")))
        environment = {
            "PHOTORESTORE_GATEWAY_JOBS_URL": opened.enter_context(running_postgres(programs)),
            "PHOTORESTORE_GATEWAY_JOBS_FILES": str(folder / "files"),
        }
        if arguments.files == "s3":
            program = shutil.which("moto_server")
            assert program is not None, "moto is not installed: .ci/tools does it"
            environment |= S3 | {"AWS_ENDPOINT_URL": opened.enter_context(running_s3(program, "jobs"))}
            environment["PHOTORESTORE_GATEWAY_JOBS_FILES"] = "s3://jobs/bench"
        outcome = asyncio.run(measure(folder, environment, arguments.jobs))
    print(json.dumps(asdict(outcome), indent=1))
    return int(not outcome.is_as_wanted(arguments.jobs))


async def measure(folder: Path, environment: dict[str, str], count: int) -> Outcome:
    """Submit jobs to two edges, kill the first at half of them, start a third, and stop the second."""
    seen = Seen(folder / "spaces")
    (folder / "secret").write_text("0123456789abcdef")
    async with serving(seen) as url, contextlib.AsyncExitStack() as opened:
        command = edge_command(folder, url)
        edges = [await opened.enter_async_context(running_edge(command, environment)) for _ in range(2)]
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            submitting = group.create_task(submit_all([client for _, client in edges], url, count))
            await until(lambda: seen.runs.total() >= count / 2)
            edges[0][0].kill()
            killed = time.time()
            _, last = await opened.enter_async_context(running_edge(command, environment))
        jobs = submitting.result()
        edges[1][0].send_signal(signal.SIGTERM)
        done = [await ended(last, path) for path in jobs]
        seconds = time.monotonic() - began
        await until(lambda: len(seen.told) >= count)
        results = [await last.get(f"{path}/result") for path in jobs]
    twice = [job for job, number in zip(done, range(count), strict=True) if seen.runs[f"r{number}"] > 1]
    return Outcome(
        states=dict(Counter(job["state"] for job in done)),
        without_result=sum(not result.is_success for result in results),
        run_twice=len(twice),
        at_once=seen.at_once,
        untold=sum(job["id"] not in seen.told for job in done),
        told_twice=sum(seen.told[job["id"]] > 1 for job in done),
        seconds=round(seconds, 1),
        taken_over_s=round(max((seconds_of(job["ended"]) - killed for job in twice), default=0.0), 1),
    )


def edge_command(folder: Path, url: str) -> list[str]:
    """Return the command line of an edge but for its port."""
    options = {
        "workspace-root": folder / "spaces",
        "inference-url": url,
        "management-url": url,
        "max-jobs": MAX_JOBS,
        "max-queued-jobs": 1_000_000,
        "job-lease-s": LEASE_S,
        "webhook-hosts": "127.0.0.1",
        "webhook-secret-file": folder / "secret",
        "poll-s": 0.5,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "gateway", "serve", *words]


@contextlib.asynccontextmanager
async def running_edge(
    command: Sequence[str], environment: dict[str, str]
) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    """Run an edge that is ready; give its process and a client of it."""
    port = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        *command,
        *("--port", str(port)),
        cwd=HOME,
        env=os.environ | {"PYTHONPATH": f"{HOME}/src:{HOME}"} | environment,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60
        ) as client:
            while not await is_ready(client):  # noqa: ASYNC110 - asked for by HTTP
                await asyncio.sleep(0.1)
            yield process, client
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).is_success
    except httpx.TransportError:
        return False


async def submit_all(clients: Sequence[httpx.AsyncClient], url: str, count: int) -> list[str]:
    """Submit jobs, each at one edge, and at another where that does not answer; return their paths."""
    numbers = iter(range(count))
    paths = [""] * count

    async def submit_some() -> None:
        for number in numbers:
            for turn in range(number, number + 100):
                with contextlib.suppress(httpx.TransportError):
                    answer = await clients[turn % len(clients)].post(
                        f"/v1/jobs?stages=&webhook={url}/told",
                        content=picture(number),
                        headers={"Idempotency-Key": f"k{number}", "X-Request-Id": f"r{number}"},
                    )
                    paths[number] = answer.raise_for_status().json()["links"]["self"]
                    break

    await asyncio.gather(*(submit_some() for _ in range(AT_ONCE)))
    return paths


def picture(number: int) -> bytes:
    """Make a picture that no other number has."""
    file = io.BytesIO()
    values = np.random.default_rng(number).integers(0, 255, (*SIZE, 3), np.uint8)
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


async def ended(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """Return a job once it has ended."""
    async with asyncio.timeout(LONGEST_S):
        while (job := (await client.get(path)).json())["state"] in ("queued", "running"):  # noqa: ASYNC110 - asked for by HTTP
            await asyncio.sleep(0.1)
    return job


def seconds_of(text: str) -> float:
    """Return the Unix time of a text in the format of RFC 3339."""
    return datetime.fromisoformat(text).timestamp()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONGEST_S):
        while not condition():  # noqa: ASYNC110 - what is waited for is seen from outside
            await asyncio.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
