"""The served workflow against the same pipeline in process. Run it on a machine that does nothing else.

    python -m bench.serving
    python -m bench.serving --suites latency throughput

`latency` and `throughput` compare within one run, requests to both taking turns. `passing` sends a picture of 12
megapixels with all stages told to pass. `large` sends a noisy, scratched picture of 50 megapixels and samples the
memory of all processes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

from bench.service import (
    EVERYTHING,
    PASSING,
    Service,
    in_process,
    made_picture,
    running_service,
    taking_turns,
)
from bench.statistics import RESULTS, write
from photorestore import pipeline

SAMPLE_EVERY_S = 0.25


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--suites", nargs="*", choices=SUITES, default=list(SUITES))
    parser.add_argument("--repeats", type=int, default=15, help="requests to each side, or rounds of eight")
    arguments = parser.parse_args()
    file = RESULTS / "serving.json"
    figures = json.loads(file.read_text())["figures"] if file.exists() else {}
    with running_service() as service:
        for suite in arguments.suites:
            print(f"measuring {suite} ...", flush=True)
            found = SUITES[suite](service, arguments.repeats)
            print(json.dumps(found, indent=1), flush=True)
            figures |= found
    write("serving", {"cores": len(os.sched_getaffinity(0)), "figures": figures})


def measure_large(service: Service, _repeats: int) -> dict[str, Any]:
    """Measure peak memory over idle while a noisy, scratched picture of 50 megapixels is restored."""
    picture = made_picture(5773, 8660)
    idle_bytes = memory_bytes(service)
    with sampled(lambda: memory_bytes(service)) as samples:
        start = time.perf_counter()
        restored = service.restore(picture, EVERYTHING)
        seconds = time.perf_counter() - start
    with Image.open(io.BytesIO(restored)) as opened:
        assert opened.size == (8660, 5773)
    return {
        "50_mp_seconds": round(seconds, 1),
        "50_mp_idle_gb": round(idle_bytes / 1e9, 2),
        "50_mp_peak_over_idle_gb": round((max(samples) - idle_bytes) / 1e9, 2),
    }


def measure_latency(service: Service, repeats: int) -> dict[str, Any]:
    """Measure median latencies at 1 megapixel, one request at a time."""
    picture = made_picture(1000, 1000)
    loaded = pipeline.load()
    sides = {
        "served": lambda: service.restore(picture, EVERYTHING),
        "in_process": lambda: in_process(loaded, [picture], EVERYTHING),
    }
    medians = taking_turns(sides, repeats)
    return {
        "latency_1_mp_served_ms": round(1000 * medians["served"], 1),
        "latency_1_mp_in_process_ms": round(1000 * medians["in_process"], 1),
        "latency_1_mp_ratio": round(medians["served"] / medians["in_process"], 3),
    }


def measure_throughput(service: Service, repeats: int) -> dict[str, Any]:
    """Measure eight requests in flight, against eight pictures in process in the way that is fastest there."""
    picture = made_picture(1000, 1000)
    pipelines = [pipeline.load(), pipeline.load()]
    with ThreadPoolExecutor(8) as pool, ThreadPoolExecutor(2) as pair:
        sides: dict[str, Callable[[], object]] = {
            "served": lambda: list(pool.map(lambda _: service.restore(picture, EVERYTHING), range(8))),
            "in process, one by one": lambda: [
                in_process(pipelines[0], [picture], EVERYTHING) for _ in range(8)
            ],
            "in process, batches of four": lambda: [
                in_process(pipelines[0], [picture] * 4, EVERYTHING) for _ in range(2)
            ],
            "in process, two threads": lambda: list(
                pair.map(
                    lambda loaded: [in_process(loaded, [picture], EVERYTHING) for _ in range(4)], pipelines
                )
            ),
        }
        medians = taking_turns(sides, max(2, repeats // 3), warm_up=1)
    served = medians.pop("served")
    best = min(medians, key=lambda name: medians[name])
    return {
        "throughput_8_served_mp_per_s": round(8 / served, 3),
        "throughput_8_in_process_mp_per_s": round(8 / medians[best], 3),
        "throughput_8_in_process_setting": best,
        "throughput_8_ratio": round(medians[best] / served, 3),
    }


def measure_passing(service: Service, repeats: int) -> dict[str, Any]:
    """Measure what the nodes between add to decoding and encoding 12 megapixels."""
    picture = made_picture(3000, 4000, sigma_255=3)
    loaded = pipeline.load(stages=("preprocess", "deliver"))
    sides = {
        "served": lambda: service.restore(picture, PASSING),
        "in_process": lambda: in_process(loaded, [picture], PASSING),
    }
    medians = taking_turns(sides, repeats)
    return {
        "passing_12_mp_upload_mb": round(len(picture) / 1e6, 1),
        "passing_12_mp_served_ms": round(1000 * medians["served"], 1),
        "passing_12_mp_decode_and_encode_ms": round(1000 * medians["in_process"], 1),
        "passing_12_mp_added_ms": round(1000 * (medians["served"] - medians["in_process"]), 1),
    }


SUITES = {
    "large": measure_large,  # first: its idle is that of a fresh service
    "latency": measure_latency,
    "throughput": measure_throughput,
    "passing": measure_passing,
}


def memory_bytes(service: Service) -> int:
    """Return the memory of all processes and of the workspaces, what is shared counted once."""
    processes = [service.supervisor, *service.supervisor.children(recursive=True)]
    private = sum(_pss_bytes(process.pid) for process in processes)
    return private + sum(_disk_bytes(file) for file in service.root.rglob("*"))


def _pss_bytes(pid: int) -> int:
    """Proportional set size without shared memory, whose pages are counted as files."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    values = {line.split(":")[0]: line.split()[1] for line in text.splitlines()[1:]}
    return 1024 * (int(values["Pss"]) - int(values["Pss_Shmem"]))


def _disk_bytes(file: Path) -> int:
    try:
        return 512 * file.stat().st_blocks
    except OSError:
        return 0


@contextlib.contextmanager
def sampled(measure: Callable[[], int]) -> Iterator[list[int]]:
    """Collect values of `measure` at short intervals while the block runs."""
    samples: list[int] = []
    over = threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_EVERY_S):
            samples.append(measure())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    main()
