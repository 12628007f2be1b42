"""Metrics of the edge's process and its surroundings: shared memory, and the supervisor that started it."""

from __future__ import annotations

import functools
import json
import os
import platform
from importlib import metadata
from pathlib import Path

from prometheus_client import GCCollector, ProcessCollector

from gateway.telemetry.metrics import Metrics


def watch_process(metrics: Metrics) -> None:
    """Add what this process takes of the machine (`process_*`, `python_gc_*`), and which build it is."""
    ProcessCollector(registry=metrics.registry)
    GCCollector(registry=metrics.registry)
    build = metrics.gauge("build_info", "1, of this version", "version", "python")
    build.labels(metadata.version("photorestore"), platform.python_version()).set(1)


def watch_shared_memory(metrics: Metrics, root: Path) -> None:
    """Add gauges of the size and use of the file system that holds the workspaces."""
    total = metrics.gauge("shared_memory_bytes", "size of the file system of the workspaces")
    used = metrics.gauge("shared_memory_used_bytes", "of which used, by whomever")
    total.set_function(lambda: _total_and_used(root)[0])
    used.set_function(lambda: _total_and_used(root)[1])


def watch_restarts(metrics: Metrics, file: Path) -> None:
    """Add gauges of the restarts that a supervisor counts in a file."""
    restarts = metrics.gauge("process_restarts", "starts by the supervisor of what had ended", "process")
    for process in ("edge", "torchserve", "template"):
        restarts.labels(process).set_function(functools.partial(_restarts, file, process))


def _total_and_used(root: Path) -> tuple[int, int]:
    try:
        state = os.statvfs(root)
    except OSError:
        return 0, 0
    return state.f_blocks * state.f_frsize, (state.f_blocks - state.f_bfree) * state.f_frsize


def _restarts(file: Path, process: str) -> int:
    try:
        return int(json.loads(file.read_text())[process])
    except (OSError, ValueError, KeyError):  # missing, or being written
        return 0
