"""Killed workers, and a service that is stopped at work."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from PIL import Image

from photorestore.housekeeping import sweep
from photorestore.options import SELECTABLE_STAGES, Options
from tests.conftest import add_noise, make_photo
from tests.e2e.conftest import ENVIRONMENT, HOME, Service, free_ports, running_service, wait_for

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
def test_killed_worker_costs_no_request(service, oracle, stage):
    options = EVERYTHING | {"scale": 2 if stage == "upscale" else 1}
    uploads = [make_upload(500, 700, seed) for seed in range(4)]
    expected = [oracle.restore(upload, Options.from_mapping(options)).encoded for upload in uploads]
    (worker,) = service.workers(stage)
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(service.restore, upload, json.dumps(options)) for upload in uploads]
        wait_for(lambda: any(service.root.glob(f"*/{IN_FLIGHT[stage]}")))
        os.kill(worker, signal.SIGKILL)
        assert [answer.result().content for answer in answers] == expected
    wait_for(lambda: "READY" in service.workers(stage).values() and worker not in service.workers(stage))
    sweep(service.root, time.time() + 10_000)
    assert list(service.root.iterdir()) == []


def test_supervisor_that_is_killed_takes_all_with_it(tmp_path, root):
    own_root = root.with_name(f"{root.name}-killed")
    with running_service(tmp_path / "run", own_root) as service:
        processes = service.supervisor.children(recursive=True)
        service.supervisor.kill()
        _, alive = psutil.wait_procs(processes, timeout=60)
        assert alive == []
    own_root.rmdir()


def test_background_start_and_a_stop_that_answers_what_is_in_flight(tmp_path, root):
    own_root = root.with_name(f"{root.name}-background")
    port = free_ports()
    arguments = ["--run-dir", str(tmp_path), "--workspace-root", str(own_root), "--port-base", str(port)]

    def backend(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "gateway.backend", *words, *arguments]
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
