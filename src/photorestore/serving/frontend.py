"""Waiting until TorchServe's front end listens for a node's answer.

In a workflow TorchServe (`DagExecutor.invokeModel`, 0.12.0) queues a node's job first and sets up the receipt of its
answer afterwards. An answer that comes in between is lost, and its request hangs until `timeout-ms`. That takes
microseconds, but on busy cores the thread may have to wait for its turn in the middle of them. So a handler looks
whether a thread of the workflow is still running before it answers: one that listens sleeps.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

WATCHED = (b"(wf-execute", b"(VM Thread)")
"""How these threads are named in `/proc/<pid>/task/<tid>/stat`: the workflow's, and the one that collects garbage,
during which all others sleep wherever they are."""
LOOKS = 2
"""So many looks in a row must find them asleep."""
POLL_S = 0.0005
LIMIT_S = 1.0
"""Then the answer goes out all the same: other requests may keep such threads busy for ever."""


def wait_until_listening(proc: Path = Path("/proc"), limit_s: float = LIMIT_S) -> None:
    """Return when every workflow thread of the parent process sleeps. Without such threads that is at once."""
    tasks = proc / str(os.getppid()) / "task"
    until = time.monotonic() + limit_s
    asleep = 0
    while asleep < LOOKS and time.monotonic() < until:
        asleep = 0 if _has_running_thread(tasks) else asleep + 1
        time.sleep(POLL_S)


def _has_running_thread(tasks: Path) -> bool:
    try:
        with os.scandir(tasks) as found:
            return any(_is_running(f"{task.path}/stat") for task in found)
    except OSError:
        return False


def _is_running(stat: str) -> bool:
    """Whether a line `tid (name) state ...` says so of a watched thread."""
    try:
        with open(stat, "rb") as file:  # noqa: PTH123 - hundreds of these are read for each answer
            line = file.read()
    except OSError:
        return False
    return any(name in line for name in WATCHED) and line[line.rindex(b")") + 2 :].startswith(b"R")
