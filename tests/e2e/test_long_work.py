"""Work of minutes beside requests that somebody waits for."""

from typing import Any

import requests

from photorestore.serving.management import WHOLE
from tests.e2e.conftest import Service, wait_for
from tests.e2e.test_gateway import make_upload, metric, restore

FITTED = ("denoise", "translate", "upscale")
QUERY = f"stages=denoise,translate&scale=2&{'&'.join(f'{stage}_method=dip' for stage in FITTED)}"
CANCELLED = 'photorestore_gateway_runs_total{outcome="cancelled"}'
SHORT = ("stages=denoise", "stages=translate", "stages=&scale=2")


def test_requests_that_need_the_same_stages_pass_by_work_of_minutes(service: Service) -> None:
    worker = whole_worker(service)
    jobs = [submit(service, seed) for seed in (1, 2)]
    wait_for(lambda: look(jobs[0]).get("steps"))
    for seed, query in enumerate(SHORT):
        assert restore(service, make_upload(60, 80, seed), query).ok
    first, second = map(look, jobs)
    assert first["progress"]["denoise"] == "running", first
    assert first["steps"]["denoise"]["done"] < first["steps"]["denoise"]["total"]
    assert second["state"] == "queued"
    before = metric(service, CANCELLED)
    requests.delete(jobs[0], timeout=30).raise_for_status()
    wait_for(lambda: look(jobs[1]).get("steps"))  # its turn comes once the first is gone
    assert metric(service, CANCELLED) == before + 1
    requests.delete(jobs[1], timeout=30).raise_for_status()
    wait_for(lambda: metric(service, CANCELLED) == before + 2)
    assert [look(job)["state"] for job in jobs] == ["cancelled"] * 2
    assert whole_worker(service) == worker
    assert not list(service.root.iterdir())


def submit(service: Service, seed: int) -> str:
    """The address of a job that would take minutes."""
    answer = requests.post(
        f"{service.gateway_url}/v1/jobs?{QUERY}", data=make_upload(200, 200, seed), timeout=300
    )
    assert answer.ok, answer.text
    return service.gateway_url + answer.headers["location"]


def look(job: str) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(job, timeout=30).json()
    return found


def whole_worker(service: Service) -> int:
    """The id of the process that runs all stages, once it is ready, for which the service does not wait."""
    url = f"http://127.0.0.1:{service.port + 1}/models/restore_{WHOLE}"

    def described() -> dict[str, Any]:
        (worker,) = requests.get(url, timeout=30).json()[0]["workers"]
        return worker

    wait_for(lambda: described()["status"] == "READY")
    pid: int = described()["pid"]
    return pid
