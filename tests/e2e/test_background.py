"""An instance that `serve --background` starts: found again, whole again whatever is killed, and stopped at work."""

import contextlib
import io
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests
from photorestore_client import Client, Retry
from PIL import Image

from backend.child import Child
from backend.run_lock import holder_of
from backend.settings import Settings
from deploy.ports import free_ports
from photorestore.options import SELECTABLE_STAGES
from tests.conftest import add_noise, make_photo
from tests.e2e.conftest import ENVIRONMENT, HOME, Service, wait_for

pytestmark = pytest.mark.e2e


def make_upload(h: int, w: int, seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(add_noise(make_photo(h, w, seed), 20)).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass(frozen=True)
class Background:
    """An instance with the REST edge, and the command that rules it."""

    run_dir: Path
    root: Path
    port: int

    @property
    def service(self) -> Service:
        pid = int((self.run_dir / "pid").read_text())
        return Service(self.port, self.run_dir, self.root, psutil.Process(pid))

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m backend`."""
        line = [sys.executable, "-m", "backend", *words, "--drain-s", "60", "--run-dir", str(self.run_dir)]
        line += ["--workspace-root", str(self.root), "--port-base", str(self.port)]
        line += ["--gateway-port", str(self.port + 6)]
        return subprocess.run(line, cwd=HOME, env=ENVIRONMENT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def background(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Background]:
    own_root = root.with_name(f"{root.name}-background")
    instance = Background(tmp_path_factory.mktemp("background"), own_root, free_ports(7))
    assert instance.command("status").returncode == 1
    started = instance.command("serve", "--background")
    try:
        assert (started.returncode, "curl" in started.stdout) == (0, True), started.stderr
        wait_for(lambda: holder_of(instance.run_dir / "guard"))
        yield instance
    finally:
        stopped = instance.command("stop")
    assert stopped.returncode == 0
    own_root.rmdir()  # fails where something was left


def test_a_run_directory_has_one_instance(background: Background) -> None:
    assert json.loads(background.command("status").stdout)["ready"] is True
    assert background.command("serve").returncode == 1


def test_whatever_is_killed_comes_back(background: Background) -> None:
    """Each process twice, while callers go on; the client's retries lose nothing."""
    seconds: dict[str, list[float]] = {}

    def is_whole() -> bool:
        """TorchServe and the edge outlive their supervisor, so that they are ready says nothing of it."""
        run_dir = background.run_dir
        has_both = holder_of(run_dir / "pid") is not None and holder_of(run_dir / "guard") is not None
        return has_both and (run_dir / "ready").exists() and background.command("status").returncode == 0

    retry = Retry(restart_s=300.0)
    with Client(background.service.gateway_url, retry=retry) as client, ThreadPoolExecutor(3) as pool:
        over = threading.Event()
        callers = [pool.submit(_restore_until, over, client, seed) for seed in range(3)]
        try:
            for name in ("guard", "edge", "template", "torchserve", "pid") * 2:
                _kill(background.run_dir, name)
                begun = time.monotonic()
                wait_for(is_whole)
                seconds.setdefault(name, []).append(round(time.monotonic() - begun, 1))
        finally:
            over.set()
        assert min(caller.result() for caller in callers) > 0
    logging.getLogger(__name__).warning("seconds until whole: %s", seconds)


def test_stop_answers_what_is_in_flight_and_ends_all(background: Background) -> None:
    """Callers of the edge, and callers of TorchServe."""
    service, options = background.service, {"stages": list(SELECTABLE_STAGES), "format": "png"}
    guard = holder_of(background.run_dir / "guard")
    processes = [psutil.Process(guard), service.supervisor, *service.supervisor.children(recursive=True)]
    url = f"{service.gateway_url}/v1/restore?stages=denoise,scratch,translate"
    with ThreadPoolExecutor(2) as pool:
        answers = [
            pool.submit(service.restore, make_upload(700, 900), json.dumps(options)),
            pool.submit(requests.post, url, data=make_upload(700, 900, seed=1), timeout=300),
        ]
        wait_for(lambda: len(list(background.root.glob("*/image.npy"))) >= 2)
        assert background.command("stop").stdout == "stopped\n"
        for answer in answers:
            with Image.open(io.BytesIO(answer.result().content)) as restored:
                assert restored.size == (900, 700)
    assert background.command("stop").stdout == "not running\n"
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert alive == []
    assert holder_of(background.run_dir / "guard") is None
    assert not (background.run_dir / "tmp").exists()
    for file in ("backend.log", "gateway.log", "logs/workers.log", "logs/server.log"):
        lines = (background.run_dir / file).read_text().splitlines()
        assert any(json.loads(line)["message"] for line in lines if line.startswith("{")), file


def _kill(run_dir: Path, name: str) -> None:
    """Kill the guard or the supervisor by the file whose lock it holds, else what a supervisor has started."""
    if name in ("pid", "guard"):
        pid = holder_of(run_dir / name)
    else:
        found = Child.find(Settings(HOME, run_dir, run_dir), name)
        pid = None if found is None else found.pid
    assert pid is not None
    process = psutil.Process(pid)
    process.kill()
    with contextlib.suppress(psutil.TimeoutExpired):  # for a zombie, whose locks are gone all the same
        process.wait(5)


def _restore_until(over: threading.Event, client: Client, seed: int) -> int:
    """Restore one picture after the other; return how many."""
    count = 0
    while not over.is_set():
        client.restore(make_upload(60, 80, seed) + b"%d" % count)
        count += 1
    return count
