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
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import requests
from PIL import Image

from bench.statistics import RESULTS, write
from photorestore import pipeline
from photorestore.options import SELECTABLE_STAGES, Options
from photorestore.pipeline import Pipeline
from photorestore.workspace import Workspace

EVERYTHING = {"stages": list(SELECTABLE_STAGES), "format": "jpeg", "timeout_s": 600}
PASSING = {"stages": [], "format": "jpeg", "timeout_s": 600}
START_S = 300
SAMPLE_EVERY_S = 0.25
WARM_UP_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Service:
    """A TorchServe of our own."""

    port: int
    root: Path
    supervisor: psutil.Process

    def restore(self, picture: bytes, options: dict[str, Any]) -> bytes:
        """The restored picture's file."""
        headers = {"Content-Type": "image/jpeg", "X-Restore-Options": json.dumps(options)}
        url = f"http://127.0.0.1:{self.port}/wfpredict/restore"
        answer = requests.post(url, data=picture, headers=headers, timeout=900)
        if answer.content.startswith(b"{"):
            raise RuntimeError(answer.text)
        return answer.content


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
    """Peak memory over idle while a noisy, scratched picture of 50 megapixels is restored."""
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
    """Median latencies at 1 megapixel, one request at a time."""
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
    """Eight requests in flight, against eight pictures in process in the way that is fastest there."""
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
        medians = taking_turns(sides, max(2, repeats // 5), warm_up=1)
    served = medians.pop("served")
    best = min(medians, key=lambda name: medians[name])
    return {
        "throughput_8_served_mp_per_s": round(8 / served, 3),
        "throughput_8_in_process_mp_per_s": round(8 / medians[best], 3),
        "throughput_8_in_process_setting": best,
        "throughput_8_ratio": round(medians[best] / served, 3),
    }


def measure_passing(service: Service, repeats: int) -> dict[str, Any]:
    """What the nodes between add to decoding and encoding 12 megapixels."""
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


def taking_turns(
    sides: Mapping[str, Callable[[], object]], repeats: int, *, warm_up: int = WARM_UP_ROUNDS
) -> dict[str, float]:
    """Median seconds of each side; the first rounds, while Java warms up, do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(-warm_up, repeats):
        for name, call in sides.items():
            start = time.perf_counter()
            call()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def in_process(loaded: Pipeline, pictures: Sequence[bytes], options: dict[str, Any]) -> list[bytes | None]:
    """The stages over files, as the handlers run them; gives the results."""
    batch = [Workspace.create(loaded.root, Options.from_mapping(options)) for _ in pictures]
    try:
        for workspace, picture in zip(batch, pictures, strict=True):
            workspace.write_file("upload", picture)
        loaded.run(batch)
        for workspace in batch:
            assert workspace.envelope.problem is None, workspace.envelope.problem
        return [workspace.read_file("result") for workspace in batch]
    finally:
        for workspace in batch:
            workspace.remove()


def made_picture(h: int, w: int, sigma_255: float = 20) -> bytes:
    """A noisy picture with long scratches in every part, as JPEG; made in bands, for the memory's sake."""
    rng = np.random.default_rng(0)
    picture = Image.new("RGB", (w, h))
    x = np.arange(w, dtype=np.float32)[None, :, None]
    phase = np.array([0, 2, 4], np.float32)
    for top in range(0, h, 256):
        y = np.arange(top, min(top + 256, h), dtype=np.float32)[:, None, None]
        band = 128 + 80 * np.sin(x / 90 + y / 70 + phase)
        band += sigma_255 * rng.standard_normal(band.shape, np.float32)
        band[:, 40::160] = band[:, 41::160] = band[:, 42::160] = 245
        picture.paste(Image.fromarray(band.clip(0, 255).astype(np.uint8)), (0, top))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def memory_bytes(service: Service) -> int:
    """Memory of all processes and of the workspaces, what is shared counted once."""
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
    """Values of `measure` at short intervals while the block runs."""
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


@contextlib.contextmanager
def running_service() -> Iterator[Service]:
    """A service of our own, in a folder and on ports of its own, that ends with the block."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir, port = Path(folder), _free_ports()
        root = Path("/dev/shm") / f"photorestore-bench-{os.getpid()}"  # noqa: S108
        command = [sys.executable, "-m", "gateway.backend", "serve", "--run-dir", folder]
        command += ["--workspace-root", str(root), "--port-base", str(port)]
        started = subprocess.Popen(command)
        try:
            until = time.monotonic() + START_S
            while not (run_dir / "ready").exists():
                if started.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("the service does not start")
                time.sleep(0.5)
            yield Service(port, root, psutil.Process(started.pid))
        finally:
            started.send_signal(signal.SIGTERM)
            started.wait(120)
            with contextlib.suppress(OSError):
                root.rmdir()


def _free_ports(count: int = 6) -> int:
    for base in range(30_000, 60_000, count):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(base, base + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return base
    raise RuntimeError("no free ports")


if __name__ == "__main__":
    main()
