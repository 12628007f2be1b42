"""Killed workers, a killed supervisor, and busy cores."""

import functools
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import requests
from PIL import Image

from photorestore import pipeline
from photorestore.errors import NotAnImage
from photorestore.housekeeping import sweep
from photorestore.options import SELECTABLE_STAGES, Options
from tests.conftest import add_noise, make_photo
from tests.e2e.conftest import HOME, Service, running_service, wait_for

pytestmark = pytest.mark.e2e

EVERYTHING: dict[str, Any] = {"stages": list(SELECTABLE_STAGES), "format": "png"}
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


UPLOADS = [make_upload(500, 700, seed) for seed in range(4)]


@pytest.fixture(scope="module")
def alone(oracle: pipeline.Pipeline) -> Callable[[int], list[bytes]]:
    """What `UPLOADS` give in this process, by scale."""

    @functools.cache
    def restore(scale: int) -> list[bytes]:
        options = Options.from_mapping(EVERYTHING | {"scale": scale})
        return [oracle.restore(upload, options).encoded for upload in UPLOADS]

    return restore


@pytest.mark.parametrize("stage", IN_FLIGHT)
def test_killed_worker_costs_no_request(
    service: Service, alone: Callable[[int], list[bytes]], stage: str
) -> None:
    options = EVERYTHING | {"scale": 2 if stage == "upscale" else 1}
    expected = alone(options["scale"])
    (worker,) = service.workers(stage)
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(service.restore, upload, json.dumps(options)) for upload in UPLOADS]
        wait_for(lambda: any(service.root.glob(f"*/{IN_FLIGHT[stage]}")))
        os.kill(worker, signal.SIGKILL)
        for answer, as_alone in zip(answers, expected, strict=True):
            # Pictures that wait together are computed together, in 16 bits: a last bit may differ.
            difference = pixels_of(answer.result().content) - pixels_of(as_alone)
            assert np.abs(difference).max() <= 1
            assert np.count_nonzero(difference) <= 1e-3 * difference.size
    wait_for(lambda: "READY" in service.workers(stage).values() and worker not in service.workers(stage))
    sweep(service.root, time.monotonic() + 10_000)
    assert list(service.root.iterdir()) == []


def pixels_of(encoded: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(encoded)) as picture:
        return np.asarray(picture).astype(int)


@pytest.fixture(scope="module")
def delayed(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Service]:
    """An instance without the REST edge, in which `denoise` waits long for more pictures of a batch."""
    folder, own_root = tmp_path_factory.mktemp("delayed"), root.with_name(f"{root.name}-delayed")
    home = copy_home(folder / "home", denoise_delay_ms=3000)
    with running_service(folder / "run", own_root, home=home) as service:
        yield service
    shutil.rmtree(own_root)  # its supervisor was killed, so that delivered results stay


def test_killed_worker_costs_no_request_that_waits_for_more_of_its_batch(delayed: Service) -> None:
    """The worker's thread in TorchServe has taken it, but not sent it yet."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(delayed.restore, make_upload(100, 100), '{"stages": []}')
        wait_for(lambda: any(delayed.root.glob("*/preprocess.ran.state")))
        time.sleep(1)
        (worker,) = delayed.workers("denoise")
        os.kill(worker, signal.SIGKILL)
        with Image.open(io.BytesIO(answer.result().content)) as restored:
            assert restored.size == (100, 100)


def test_supervisor_that_is_killed_takes_all_with_it(delayed: Service) -> None:
    processes = delayed.supervisor.children(recursive=True)
    delayed.supervisor.kill()
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert alive == []


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
    answer = requests.post(f"{service.gateway_url}/v1/restore", data=make_upload(60, 80), timeout=300)
    assert answer.headers["content-type"] == "image/jpeg"
    assert service.pids() - pids == set(service.workers("scratch"))
