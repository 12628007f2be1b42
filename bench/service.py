"""Run a service of the bench's own, and measure with it."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import requests
from PIL import Image

from deploy.ports import free_ports
from photorestore.options import SELECTABLE_STAGES, Options
from photorestore.pipeline import Pipeline
from photorestore.workspace import Workspace

MENDING = tuple(stage for stage in SELECTABLE_STAGES if stage not in ("deblur", "weather"))
"""The stages that find out themselves what is to be done to an old print; `deblur` works on whatever it is asked to,
and `weather` is for other photographs."""
EVERYTHING = {
    "stages": list(MENDING),
    "format": "jpeg",
    "timeout_s": 600,
}
PASSING = {"stages": [], "format": "jpeg", "metadata": "strip", "timeout_s": 600}
"""Decoded and encoded; with all metadata it would be handed back as it came."""
START_S = 300
WARM_UP_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Service:
    """A TorchServe of our own, and the REST edge before it.

    Attributes:
        port: the first of seven: TorchServe's six and the edge's.
        run_dir: where its logs lie.
        root: where its workspaces lie.
    """

    port: int
    run_dir: Path
    root: Path
    supervisor: psutil.Process

    @property
    def url(self) -> str:
        """The edge."""
        return f"http://127.0.0.1:{self.port + 6}"

    def restore(self, picture: bytes, options: dict[str, Any]) -> bytes:
        """Return the restored picture's file."""
        headers = {"Content-Type": "image/jpeg", "X-Restore-Options": json.dumps(options)}
        url = f"http://127.0.0.1:{self.port}/wfpredict/restore"
        answer = session().post(url, data=picture, headers=headers, timeout=900)
        if answer.content.startswith(b"{"):
            raise RuntimeError(answer.text)
        return answer.content


_of_thread = threading.local()


def session() -> requests.Session:
    """Return a connection of this thread's own, kept as a backend would keep it."""
    if not hasattr(_of_thread, "session"):
        _of_thread.session = requests.Session()
    found: requests.Session = _of_thread.session
    return found


def taking_turns(
    sides: Mapping[str, Callable[[], object]], repeats: int, *, warm_up: int = WARM_UP_ROUNDS
) -> dict[str, float]:
    """Return the median seconds of each side; the first rounds, while Java warms up, do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(-warm_up, repeats):
        for name, call in sides.items():
            start = time.perf_counter()
            call()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def in_process(loaded: Pipeline, pictures: Sequence[bytes], options: dict[str, Any]) -> list[bytes | None]:
    """Run the stages over files, as the handlers do; gives the results."""
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
    """Make a noisy picture with long scratches in every part, as JPEG; in bands, to save memory."""
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


made_once = functools.cache(made_picture)
"""Making a picture takes time that would be missing elsewhere."""


@contextlib.contextmanager
def running_service(
    settings: Mapping[str, str] | None = None,
    *,
    root: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """Run a service in a folder and on ports of its own, until the block ends.

    Args:
        settings: of the edge, such as `{"max_requests": "8"}`.
        root: of the workspaces; default: one in shared memory.
        environment: more variables for all its processes.
    """
    root = root or Path("/dev/shm") / f"photorestore-bench-{os.getpid()}"  # noqa: S108
    with tempfile.TemporaryDirectory() as folder:
        run_dir, port = Path(folder), free_ports(7)
        command = [sys.executable, "-m", "backend", "serve", "--run-dir", folder]
        command += ["--workspace-root", str(root), "--port-base", str(port)]
        command += ["--gateway-port", str(port + 6)]
        variables = {
            f"PHOTORESTORE_GATEWAY_{name.upper()}": value for name, value in (settings or {}).items()
        }
        started = subprocess.Popen(command, env=os.environ | variables | dict(environment or {}))
        try:
            until = time.monotonic() + START_S
            while not (run_dir / "ready").exists():
                if started.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("the service does not start")
                time.sleep(0.5)
            yield Service(port, run_dir, root, psutil.Process(started.pid))
        finally:
            started.send_signal(signal.SIGTERM)
            started.wait(120)
            with contextlib.suppress(OSError):
                root.rmdir()
