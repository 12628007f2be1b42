"""The REST edge before a real TorchServe, both under one supervisor."""

import contextlib
import io
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import requests
from PIL import Image, ImageDraw

from deploy.ports import free_ports
from photorestore import pipeline
from photorestore.options import STAGES, Options
from tests.conftest import add_noise, make_photo
from tests.deploy.conftest import TORCHSERVE
from tests.e2e.conftest import ENVIRONMENT, HOME, Service, wait_for

pytestmark = pytest.mark.e2e
RETRIES_S = 120


def make_upload(h: int, w: int, seed: int = 0) -> bytes:
    """A photograph with noise and three long scratches."""
    picture = Image.fromarray(make_photo(h, w, seed))
    draw = ImageDraw.Draw(picture)
    for column in (w // 4, w // 2, 3 * w // 4):
        draw.line([(column, 0), (column + w // 10, h)], fill=(250, 250, 245), width=2)
    buffer = io.BytesIO()
    Image.fromarray(add_noise(np.asarray(picture), 20)).save(buffer, "PNG")
    return buffer.getvalue()


def size(picture: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(picture)).size


def restore(service: Service, upload: bytes, query: str = "", **headers: str) -> requests.Response:
    return requests.post(
        f"{service.gateway_url}/v1/restore?{query}", data=upload, headers=headers, timeout=300
    )


def is_ready(service: Service) -> bool:
    return requests.get(f"{service.gateway_url}/readyz", timeout=30).ok


def metric(service: Service, line: str) -> float:
    text = requests.get(f"{service.gateway_url}/metrics", timeout=30).text
    return next((float(row.split()[-1]) for row in text.splitlines() if row.startswith(line)), 0.0)


def test_pictures_come_back_as_in_process_and_leave_nothing_behind(
    service: Service, oracle: pipeline.Pipeline
) -> None:
    upload = make_upload(300, 400)
    answer = restore(service, upload, "format=png&stages=denoise,translate", **{"X-Request-Id": "e2e-1"})
    expected = oracle.restore(upload, Options(format="png", stages=("denoise", "translate")))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content == expected.encoded
    assert all(f"{stage};dur=" in answer.headers["server-timing"] for stage in STAGES)
    assert not list(service.root.iterdir())
    had = metric(service, 'photorestore_gateway_runs_total{outcome="ok"}')
    etag = {"If-None-Match": answer.headers["etag"]}
    assert restore(service, upload, "format=png&stages=denoise,translate", **etag).status_code == 412
    assert metric(service, 'photorestore_gateway_runs_total{outcome="ok"}') == had


def test_a_clean_picture_comes_back_byte_for_byte_whoever_asks(
    service: Service, oracle: pipeline.Pipeline
) -> None:
    buffer = io.BytesIO()
    Image.fromarray(make_photo(240, 320)).save(buffer, "JPEG", quality=97)
    upload = buffer.getvalue()
    assert oracle.restore(upload).encoded == upload
    answer = restore(service, upload)
    assert (answer.content, answer.headers["content-type"]) == (upload, "image/jpeg")
    assert restore(service, upload, "return=report").json()["unchanged"]
    as_png = restore(service, upload, Accept="image/png")
    assert (as_png.headers["content-type"], size(as_png.content)) == ("image/png", (320, 240))
    assert as_png.headers["etag"] != answer.headers["etag"]
    job = requests.post(f"{service.gateway_url}/v1/jobs", data=upload, timeout=300).json()
    link = service.gateway_url + job["links"]["self"]
    wait_for(lambda: requests.get(link, timeout=30).json()["state"] == "succeeded")
    assert requests.get(f"{link}/result", timeout=30).content == upload


@pytest.mark.parametrize("mode", ["gentle", "thorough"])
def test_modes_are_taken_and_named_by_the_report(service: Service, mode: str) -> None:
    report = restore(service, make_upload(60, 80), f"mode={mode}&return=report").json()
    assert report["estimates"]["preprocess"].get("mode", mode) == mode
    assert restore(service, make_upload(60, 80), "mode=untouched").status_code == 400


def test_metrics_of_torchserve_are_those_that_the_dashboard_is_checked_with(service: Service) -> None:
    restore(service, make_upload(60, 80))
    shown = requests.get(f"{service.gateway_url}/metrics/torchserve", timeout=30).text
    known = TORCHSERVE.read_text()
    assert set(re.findall(r"^# TYPE .*", shown, re.MULTILINE)) == set(
        re.findall(r"^# TYPE .*", known, re.MULTILINE)
    )
    assert series(shown) >= series(known)


def series(text: str) -> set[str]:
    """Names of series with those of their labels."""
    lines = re.findall(r"^\w+\{.*\}", text, re.MULTILINE)
    return {re.sub(r'="[^"]*"', "", line) for line in lines}


def test_masks_and_analysis_come_back(service: Service) -> None:
    mask = requests.post(
        f"{service.gateway_url}/v1/restore?return=mask", files={"image": make_upload(60, 80)}, timeout=300
    )
    assert Image.open(io.BytesIO(mask.content)).size == (80, 60)
    found = requests.post(f"{service.gateway_url}/v1/analyze", data=make_upload(60, 80), timeout=300).json()[
        "found"
    ]
    assert found["preprocess"]["sigma_255"] > 5
    assert not list(service.root.iterdir())


def test_job_gives_what_a_direct_request_does_and_tells_its_progress(service: Service) -> None:
    upload, query = make_upload(300, 400), "format=png&stages=denoise,scratch,translate"
    answer = requests.post(
        f"{service.gateway_url}/v1/jobs?{query}",
        data=upload,
        headers={"Idempotency-Key": "e2e"},
        timeout=300,
    )
    assert (answer.status_code, answer.json()["state"]) in ((202, "queued"), (202, "running"))
    seen = []

    def has_ended() -> bool:
        seen.append(requests.get(service.gateway_url + answer.headers["location"], timeout=30).json())
        return seen[-1]["ended"] is not None

    wait_for(has_ended)
    job = seen[-1]
    assert job["state"] == "succeeded", job
    passed = dict.fromkeys(("deblur", "weather", "face", "colorize", "upscale"), "passed")
    assert job["progress"] == dict.fromkeys(STAGES, "ran") | passed
    assert any(now["state"] == "running" and "running" in now["progress"].values() for now in seen)
    result = requests.get(service.gateway_url + job["links"]["result"], timeout=30)
    direct = restore(service, upload, query)
    assert (result.content, result.headers["content-type"]) == (direct.content, "image/png")
    assert not list(service.root.iterdir())


def test_no_stage_begins_for_a_job_that_is_cancelled(service: Service) -> None:
    cancelled = 'photorestore_gateway_runs_total{outcome="cancelled"}'
    before = metric(service, cancelled)
    upload, query = make_upload(900, 1200), "stages=denoise,scratch,translate&scale=2"
    url = f"{service.gateway_url}/v1/jobs"
    job = service.gateway_url + requests.post(f"{url}?{query}", data=upload, timeout=300).headers["location"]
    wait_for(lambda: requests.get(job, timeout=30).json()["progress"]["denoise"] == "running")
    requests.delete(job, timeout=30).raise_for_status()
    wait_for(lambda: metric(service, cancelled) > before)
    assert not list(service.root.iterdir())


def test_problems_of_the_stages_have_their_status(service: Service) -> None:
    files = {"image": make_upload(60, 80), "mask": make_upload(6, 8)}
    answer = requests.post(f"{service.gateway_url}/v1/restore", files=files, timeout=300)
    assert (answer.status_code, answer.json()["stage"]) == (422, "preprocess")
    assert restore(service, b"no picture").status_code == 415
    assert not list(service.root.iterdir())


def test_more_at_once_than_is_admitted_is_answered_200_or_429(service: Service) -> None:
    uploads = [make_upload(60, 80, seed) for seed in range(40)]
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda upload: restore(service, upload, "stages="), uploads))
    assert {answer.status_code for answer in answers} <= {200, 429}
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 429)
    assert sum(answer.ok for answer in answers) >= 16


def test_workflow_that_torchserve_forgot_is_registered_again_while_a_second_takes_over(
    service: Service,
) -> None:
    management = f"http://127.0.0.1:{service.port + 1}/workflows"
    upload = make_upload(60, 80)
    with second_edge(service, "restore_next") as url:
        arguments = {"url": "restore.war", "workflow_name": "restore_next"}
        requests.post(management, params=arguments, timeout=300).raise_for_status()
        wait_for(lambda: requests.get(f"{url}/readyz", timeout=30).ok)
        expected = requests.post(f"{url}/v1/restore", data=upload, timeout=300).content
        requests.delete(f"{management}/restore", timeout=120).raise_for_status()
        wait_for(lambda: not is_ready(service), 60)
        wait_for(lambda: is_ready(service))
        assert requests.post(f"{url}/v1/restore", data=upload, timeout=300).content == expected
        assert restore(service, upload).content == expected
    requests.delete(f"{management}/restore_next", timeout=120).raise_for_status()
    assert restore(service, upload).content == expected


@contextlib.contextmanager
def second_edge(service: Service, workflow: str) -> Iterator[str]:
    """Another edge before the same TorchServe."""
    port = free_ports(1)
    command = [sys.executable, "-m", "gateway", "serve", "--port", str(port), "--workflow", workflow]
    command += ["--workspace-root", str(service.root), "--register-after-s", "600"]
    command += ["--inference-url", service.url, "--management-url", f"http://127.0.0.1:{service.port + 1}"]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, cwd=HOME, env=ENVIRONMENT) as running:
        try:
            wait_for(lambda: is_listening(url), 60)
            yield url
        finally:
            running.terminate()


def is_listening(url: str) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{url}/livez", timeout=30).ok
    return False


def test_torchserve_that_is_killed_comes_back_by_itself(service: Service) -> None:
    service.java.kill()
    wait_for(lambda: not is_ready(service), 60)
    until = time.monotonic() + RETRIES_S
    answer = restore(service, make_upload(60, 80))
    while not answer.ok:
        assert answer.status_code == 503
        assert time.monotonic() < until
        time.sleep(float(answer.headers["retry-after"]))
        answer = restore(service, make_upload(60, 80))
    wait_for(lambda: is_ready(service))
    assert metric(service, "photorestore_gateway_ready ") == 1


def test_edge_that_is_killed_comes_back_and_torchserve_stays(service: Service) -> None:
    java = service.java.pid
    (edge,) = (child for child in service.supervisor.children() if "gateway" in child.cmdline())
    edge.kill()
    wait_for(lambda: is_listening(service.gateway_url) and is_ready(service))
    assert restore(service, make_upload(60, 80)).ok
    assert service.java.pid == java
    assert metric(service, 'photorestore_gateway_process_restarts{process="edge"}') == 1
