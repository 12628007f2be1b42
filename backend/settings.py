"""Settings of one instance of the backend: its folders and ports."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import astuple, dataclass
from pathlib import Path

from photorestore.directories import default_root
from photorestore.serving.management import WORKFLOW, Management

HOME = Path(__file__).resolve().parents[1]
"""The folder that `backend`, `gateway`, `model_store` and TorchServe's configuration lie in."""
HOST = "127.0.0.1"
HIGHEST_BASE = 65535 - 5
"""Highest first port of the consecutive ones of `Ports.from_base`."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports on which one instance listens, on loopback."""

    inference: int = 8080
    management: int = 8081
    metrics: int = 8082
    grpc_inference: int = 7070
    grpc_management: int = 7071
    worker: int = 9000

    @classmethod
    def from_base(cls, base: int) -> Ports:
        """Return consecutive ports from `base` on, for an instance beside others."""
        return cls(base, base + 1, base + 2, base + 3, base + 4, base + 5)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one instance.

    Attributes:
        home: the folder with `config.properties`, `metrics.yaml` and `model_store`.
        run_dir: the folder for everything that this instance writes, except pictures.
        workspace_root: the folder of pictures in work.
        ports: where TorchServe listens.
        gateway_port: where the REST edge of this instance listens; None if it has no edge.
        is_guarded: whether a guard starts the supervisor again, so that what it has started outlives it.
    """

    home: Path
    run_dir: Path
    workspace_root: Path
    ports: Ports = Ports()
    gateway_port: int | None = None
    is_guarded: bool = False

    @property
    def url(self) -> str:
        """Return the URL to send pictures to."""
        if self.gateway_port is not None:
            return f"http://{HOST}:{self.gateway_port}/v1/restore"
        return f"{self.inference_url}/wfpredict/{WORKFLOW}"

    @property
    def inference_url(self) -> str:
        """Return the URL of TorchServe's inference interface."""
        return f"http://{HOST}:{self.ports.inference}"

    @property
    def metrics_url(self) -> str:
        """Return the URL of TorchServe's metrics interface."""
        return f"http://{HOST}:{self.ports.metrics}"

    @property
    def management(self) -> Management:
        """Return the addresses of TorchServe's management interface."""
        return Management(f"http://{HOST}:{self.ports.management}")

    @property
    def model_store(self) -> Path:
        """Return the folder of the archives and the workflow."""
        return self.home / "model_store"

    @property
    def log_file(self) -> Path:
        """Return the log of a supervisor in the background, and of its guard."""
        return self.run_dir / "backend.log"

    @property
    def root_file(self) -> Path:
        """Return the file that names the folder of pictures in work, for further edges of this instance."""
        return self.run_dir / "workspace-root"

    @property
    def pid_file(self) -> Path:
        """Return the file whose lock the supervisor holds."""
        return self.run_dir / "pid"

    @property
    def guard_file(self) -> Path:
        """Return the file whose lock the guard holds; see `backend.guard`."""
        return self.run_dir / "guard"

    @property
    def stopped_file(self) -> Path:
        """Return the empty file that says that the instance was told to end."""
        return self.run_dir / "stopped"

    @property
    def restarts_file(self) -> Path:
        """Return the JSON file with the supervisor's numbers of restarts."""
        return self.run_dir / "restarts.json"


def own_root(run_dir: Path) -> Path:
    """Return the folder of pictures in work that belongs to a run directory, so that instances do not share one."""
    name = hashlib.sha256(str(run_dir.resolve()).encode()).hexdigest()[:12]
    shared = default_root()
    return shared.with_name(f"{shared.name}-{name}")


def taken_ports(settings: Settings) -> list[int]:
    """Return the ports on which a process listens already; `worker` only names the workers' socket files."""
    used = list(astuple(settings.ports)[:-1])
    if settings.gateway_port is not None:
        used.append(settings.gateway_port)
    return [port for port in used if _is_taken(port)]


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
