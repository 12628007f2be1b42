"""Killed workers, busy cores, and a service that is stopped at work."""

import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from photorestore_client import Client, Retry
from PIL import Image

from backend.child import Child
from backend.run_lock import holder_of
from backend.settings import Settings
from deploy.ports import free_ports
from photorestore import pipeline
from photorestore.errors import NotAnImage
from photorestore.housekeeping import sweep
from photorestore.options import SELECTABLE_STAGES, Options
from tests.conftest import add_noise, make_photo
from tests.e2e.conftest import ENVIRONMENT, HOME, Service, running_service, wait_for

pytestmark = pytest.mark.e2e

EVERYTHING = {"stages": list(SELECTABLE_STAGES), "format": "png"}
IN_FLIGHT = {
    "denoise": "image.npy",
    "scratch": "image.npy",
    "translate": "scratch_prob.npy",
    "face": "scratch_mask.npy",
    "upscale": "scratch_mask.npy",
}
"""A file of the workspace that is there when a stage is about to work or works."""


def make_upload(h: int, w: int, seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(add_noise(make_photo(h, w, seed), 20)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("stage", IN_FLIGHT)
def test_killed_worker_costs_no_request(service: Service, oracle: pipeline.Pipeline, stage: str) -> None:
    options = EVERYTHING | {"scale": 2 if stage == "upscale" else 1}
    uploads = [make_upload(500, 700, seed) for seed in range(4)]
    expected = [oracle.restore(upload, Options.from_mapping(options)).encoded for upload in uploads]
    (worker,) = service.workers(stage)
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(service.restore, upload, json.dumps(options)) for upload in uploads]
        wait_for(lambda: any(service.root.glob(f"*/{IN_FLIGHT[stage]}")))
        os.kill(worker, signal.SIGKILL)
        for answer, alone in zip(answers, expected, strict=True):
            # Pictures that wait together are computed together, in 16 bits: a last bit may differ.
            difference = pixels_of(answer.result().content) - pixels_of(alone)
            assert np.abs(difference).max() <= 1
            assert np.count_nonzero(difference) <= 1e-3 * difference.size
    wait_for(lambda: "READY" in service.workers(stage).values() and worker not in service.workers(stage))
    sweep(service.root, time.monotonic() + 10_000)
    assert list(service.root.iterdir()) == []


def pixels_of(encoded: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(encoded)) as picture:
        return np.asarray(picture).astype(int)


def test_killed_worker_costs_no_request_that_waits_for_more_of_its_batch(tmp_path: Path, root: Path) -> None:
    """The worker's thread in TorchServe has taken it, but not sent it yet."""
    home = copy_home(tmp_path / "home", denoise_delay_ms=3000)
    own_root = root.with_name(f"{root.name}-waiting")
    with running_service(tmp_path / "run", own_root, home=home) as service, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(service.restore, make_upload(100, 100), '{"stages": []}')
        wait_for(lambda: any(own_root.glob("*/preprocess.ran.state")))
        time.sleep(1)
        (worker,) = service.workers("denoise")
        os.kill(worker, signal.SIGKILL)
        with Image.open(io.BytesIO(answer.result().content)) as restored:
            assert restored.size == (100, 100)
    own_root.rmdir()


def copy_home(home: Path, denoise_delay_ms: int) -> Path:
    """What TorchServe is started with, where the stage `denoise` waits longer for a batch to fill."""
    home.mkdir()
    for name in ("config.properties", "metrics.yaml"):
        shutil.copy(HOME / name, home)
    store = home / "model_store"
    store.mkdir()
    for archive in (HOME / "model_store").glob("*.mar"):
        (store / archive.name).symlink_to(archive)
    with (
        zipfile.ZipFile(HOME / "model_store" / "restore.war") as source,
        zipfile.ZipFile(store / "restore.war", "w") as target,
    ):
        for entry in source.namelist():
            if entry != "workflow.yaml":
                target.writestr(entry, source.read(entry))
        workflow, url = source.read("workflow.yaml").decode(), "url: denoise.mar\n"
        assert url in workflow
        delayed = workflow.replace(url, f"{url}        max-batch-delay: {denoise_delay_ms}\n")
        target.writestr("workflow.yaml", delayed)
    return home


def test_no_answer_is_lost_however_soon_it_comes(service: Service) -> None:
    """On cores that are busy with other work a thread in TorchServe may wait long for its turn anywhere."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: service.restore(b"no picture"), range(1000)))
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert all(answer.json()["type"].endswith(NotAnImage.type) for answer in answers)


def test_supervisor_that_is_killed_takes_all_with_it(tmp_path: Path, root: Path) -> None:
    own_root = root.with_name(f"{root.name}-killed")
    with running_service(tmp_path / "run", own_root) as service:
        processes = service.supervisor.children(recursive=True)
        service.supervisor.kill()
        _, alive = psutil.wait_procs(processes, timeout=60)
        assert alive == []
    own_root.rmdir()


def test_workers_are_forked_whether_or_not_the_template_was_killed(service: Service) -> None:
    pids = service.pids()
    assert {psutil.Process(pid).name() for pid in pids} == {"worker"}
    (template,) = (child for child in service.supervisor.children() if "backend.template" in child.cmdline())
    template.kill()
    (worker,) = service.workers("scratch")
    os.kill(worker, signal.SIGKILL)
    wait_for(
        lambda: "READY" in service.workers("scratch").values() and worker not in service.workers("scratch")
    )
    assert service.restore(make_upload(60, 80)).content.startswith(b"\xff\xd8")
    assert service.pids() - pids == set(service.workers("scratch"))


def test_background_start_and_a_stop_that_answers_what_is_in_flight(tmp_path: Path, root: Path) -> None:
    own_root = root.with_name(f"{root.name}-background")
    port = free_ports(6)
    arguments = ["--run-dir", str(tmp_path), "--workspace-root", str(own_root), "--port-base", str(port)]

    def backend(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "backend", *words, *arguments]
        return subprocess.run(command, cwd=HOME, env=ENVIRONMENT, capture_output=True, text=True, check=False)

    assert backend("status").returncode == 1
    started = backend("serve", "--background")
    try:
        assert (started.returncode, "curl" in started.stdout) == (0, True), started.stderr
        service = Service(port, tmp_path, own_root, psutil.Process(int((tmp_path / "pid").read_text())))
        processes = [service.supervisor, *service.supervisor.children(recursive=True)]
        assert json.loads(backend("status").stdout)["ready"] is True
        assert backend("serve").returncode == 1  # a run directory has one instance
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(service.restore, make_upload(700, 900), json.dumps(EVERYTHING))
            wait_for(lambda: any(own_root.glob("*/image.npy")))
            assert backend("stop").stdout == "stopped\n"
            with Image.open(io.BytesIO(answer.result().content)) as restored:
                assert restored.size == (900, 700)
    finally:
        stopped = backend("stop")
    assert stopped.stdout == "not running\n"
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert alive == []
    own_root.rmdir()
    assert not (tmp_path / "tmp").exists()


def test_whatever_is_killed_of_a_start_in_the_background_comes_back(tmp_path: Path, root: Path) -> None:
    """Each process twice, while callers go on; the client's retries lose nothing."""
    own_root = root.with_name(f"{root.name}-guarded")
    port = free_ports(7)
    words = ["--run-dir", str(tmp_path), "--workspace-root", str(own_root), "--drain-s", "20"]
    words += ["--port-base", str(port), "--gateway-port", str(port + 6)]

    def backend(*command: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "backend", *command, *words]
        return subprocess.run(line, cwd=HOME, env=ENVIRONMENT, capture_output=True, text=True, check=False)

    started = backend("serve", "--background")
    assert started.returncode == 0, started.stderr
    seconds: dict[str, list[float]] = {}
    try:
        wait_for(lambda: holder_of(tmp_path / "guard"))
        retry = Retry(restart_s=300.0)
        with Client(f"http://127.0.0.1:{port + 6}", retry=retry) as client, ThreadPoolExecutor(3) as pool:
            over = threading.Event()
            callers = [pool.submit(_restore_until, over, client, seed) for seed in range(3)]
            try:
                for name in ("guard", "edge", "template", "torchserve", "pid") * 2:
                    _kill(tmp_path, name)
                    begun = time.monotonic()
                    wait_for(lambda: backend("status").returncode == 0 and holder_of(tmp_path / "guard"))
                    seconds.setdefault(name, []).append(round(time.monotonic() - begun, 1))
            finally:
                over.set()
            assert min(caller.result() for caller in callers) > 0
        logging.getLogger(__name__).warning("seconds until whole: %s", seconds)
    finally:
        assert backend("stop").stdout == "stopped\n"
    assert holder_of(tmp_path / "guard") is None
    for file in ("backend.log", "gateway.log", "logs/workers.log", "logs/server.log"):
        lines = (tmp_path / file).read_text().splitlines()
        assert any(json.loads(line)["message"] for line in lines if line.startswith("{")), file
    own_root.rmdir()


def _kill(run_dir: Path, name: str) -> None:
    """Kill the guard or the supervisor by the file whose lock it holds, else what a supervisor has started."""
    if name in ("pid", "guard"):
        pid = holder_of(run_dir / name)
    else:
        found = Child.find(Settings(HOME, run_dir, run_dir), name)
        pid = None if found is None else found.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def _restore_until(over: threading.Event, client: Client, seed: int) -> int:
    """Restore one picture after the other; return how many."""
    count = 0
    while not over.is_set():
        client.restore(make_upload(60, 80, seed) + b"%d" % count)
        count += 1
    return count
