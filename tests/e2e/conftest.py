"""A real TorchServe, started as an operator would, on ports and folders of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests

from deploy.ports import free_ports
from photorestore import pipeline
from photorestore.options import STAGES
from tests.otlp import Receiver, receiving_spans

HOME = Path(__file__).resolve().parents[2]
START_S = 300
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{HOME}/src:{HOME}"}


@dataclass
class Service:
    """A running instance."""

    port: int
    run_dir: Path
    root: Path
    supervisor: psutil.Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.port + 6}"

    @property
    def java(self) -> psutil.Process:
        (java,) = (child for child in self.supervisor.children() if "java" in child.name())
        return java

    def restore(self, picture: bytes, options: str = "", **headers: str) -> requests.Response:
        headers = {"Content-Type": "application/octet-stream", **headers}
        if options:
            headers["X-Restore-Options"] = options
        return requests.post(f"{self.url}/wfpredict/restore", data=picture, headers=headers, timeout=300)

    def alone(self, stage: str, picture: bytes, **headers: str) -> requests.Response:
        headers = {"Content-Type": "application/octet-stream", **headers}
        url = f"{self.url}/predictions/restore__{stage}"
        return requests.post(url, data=picture, headers=headers, timeout=300)

    def workers(self, stage: str) -> dict[int, str]:
        """Status of each worker by process id."""
        answer = requests.get(f"http://127.0.0.1:{self.port + 1}/models/restore__{stage}", timeout=30)
        return {worker["pid"]: worker["status"] for worker in answer.json()[0]["workers"]}

    def pids(self) -> set[int]:
        return {pid for stage in STAGES for pid in self.workers(stage)}

    def java_threads(self) -> int:
        return self.java.num_threads()

    def batches(self, stage: str) -> int:
        """How many batches a stage was given so far."""
        lines = (self.run_dir / "logs" / "workers.log").read_text().splitlines()
        return sum(f"restore__{stage}_" in line and "received inference" in line for line in lines)


def wait_for(condition: Callable[[], object], seconds: float = START_S) -> None:
    """Poll until something is so."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)


@contextlib.contextmanager
def running_service(
    run_dir: Path,
    root: Path,
    *,
    has_gateway: bool = False,
    home: Path = HOME,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """With the REST edge it listens on the seventh port."""
    port = free_ports(7)
    command = [sys.executable, "-m", "backend", "serve", "--drain-s", "20", "--home", str(home)]
    command += ["--run-dir", str(run_dir), "--workspace-root", str(root), "--port-base", str(port)]
    command += ["--gateway-port", str(port + 6)] if has_gateway else []
    environment = ENVIRONMENT | {"PHOTORESTORE_GATEWAY_REGISTER_AFTER_S": "5"} | dict(variables or {})
    started = subprocess.Popen(command, cwd=HOME, env=environment)
    try:
        wait_for(lambda: (run_dir / "ready").exists() or started.poll() is not None)
        assert started.poll() is None, (run_dir / "console.log").read_text()
        yield Service(port, run_dir, root, psutil.Process(started.pid))
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(120)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace root in shared memory, as in service."""
    shared = Path("/dev/shm")
    folder = (
        shared / f"photorestore-e2e-{os.getpid()}" if shared.exists() else tmp_path_factory.mktemp("spaces")
    )
    yield folder
    if folder.exists():
        folder.rmdir()  # fails where something was left


@pytest.fixture(scope="session")
def spans() -> Iterator[Receiver]:
    """What `service` sends its spans to."""
    with receiving_spans() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, root: Path, spans: Receiver) -> Iterator[Service]:
    """The instance that nearly all tests share, with the REST edge; a test that hurts it waits until it is whole."""
    variables = {
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_EXPORTER_OTLP_ENDPOINT": spans.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=hush",
        "PHOTORESTORE_GATEWAY_CANARY_S": "600",  # tests count what is in the workspaces' root
    }
    run_dir = tmp_path_factory.mktemp("run")
    with running_service(run_dir, root, has_gateway=True, variables=variables) as running:
        yield running


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> pipeline.Pipeline:
    """The same pipeline in this process."""
    return pipeline.load(root=tmp_path_factory.mktemp("oracle"))
