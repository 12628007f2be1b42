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

WORKFLOW = b"(wf-execute"
COLLECTOR = b"(VM Thread)"
"""How these threads are named in `/proc/<pid>/task/<tid>/stat`: the workflow's, and the one that collects garbage,
during which all others sleep wherever they are."""
LOOKS = 2
"""So many looks in a row must find a thread asleep."""
POLL_S = 0.0005
LIMIT_S = 1.0
"""Then the answer goes out all the same: other requests may keep such threads busy for ever."""
REUSED_S = 30.0
"""After this time an id may belong to another thread."""
STAT_BYTES = 64
"""Enough of that line: id, name and state."""
SETTLED_S = 1.0
"""By this age a thread has the name that it keeps."""


class FrontEnd:
    """The process that started this one, and its threads.

    It has hundreds of threads. Looking up each of them for every answer would cost more than a passing stage does, so
    those that are no concern of ours are remembered, and the others' files stay open.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._tasks = str(proc / str(os.getppid()) / "task")
        self._threads: dict[str, _Thread] = {}
        self._listed = time.monotonic()

    def wait_until_listening(self, limit_s: float = LIMIT_S) -> None:
        """Return when every workflow thread has been seen asleep. Without such threads that is at once.

        A thread that waits for our answer was there before we were asked, so one listing of them is enough. It need
        not sleep when the others do: once it listens, it may be woken for something else.
        """
        until = time.monotonic() + limit_s
        self._list_threads()
        collectors = [thread for thread in self._threads.values() if thread.role == COLLECTOR]
        looks = {
            thread: LOOKS for thread in self._threads.values() if thread.role == WORKFLOW
        }  # still to be slept in
        while looks and time.monotonic() < until:
            left = {thread: LOOKS if thread.is_running() else more - 1 for thread, more in looks.items()}
            if any(thread.is_running() for thread in collectors):
                looks = dict.fromkeys(looks, LOOKS)
            else:
                looks = {thread: more for thread, more in left.items() if more}
            if looks:
                time.sleep(POLL_S)

    def _list_threads(self) -> None:
        try:
            names = os.listdir(self._tasks)  # noqa: PTH208 - hundreds of names, for each answer
        except OSError:
            names = []
        now = time.monotonic()
        seen, self._threads = self._threads, {}
        is_recent, self._listed = now - self._listed < REUSED_S, now
        for name in names:
            thread = (seen.pop(name, None) if is_recent else None) or _Thread.open(
                f"{self._tasks}/{name}/stat"
            )
            if thread is not None:
                thread.learn_role()
                self._threads[name] = thread
        for ended in seen.values():
            ended.close()


class _Thread:
    """One thread of the front end: its file `stat`, which stays open while it can be of interest."""

    def __init__(self, stat: int) -> None:
        self._stat = stat
        self._since = time.monotonic()
        self.role: bytes | None = None  # WORKFLOW, COLLECTOR, or another one

    @classmethod
    def open(cls, stat: str) -> _Thread | None:
        try:
            return cls(os.open(stat, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            return None

    def learn_role(self) -> None:
        """Read the thread's name, until it is one of those that we look for, or too old to change."""
        if self.role is not None:
            return
        line = self._read()
        self.role = next((role for role in (WORKFLOW, COLLECTOR) if role in line), None)
        if self.role is None and time.monotonic() - self._since > SETTLED_S:
            self.role = b""
            self.close()

    def is_running(self) -> bool:
        line = self._read()
        return line[line.rfind(b")") + 2 :].startswith(b"R")

    def close(self) -> None:
        if self._stat >= 0:
            os.close(self._stat)
            self._stat = -1

    def _read(self) -> bytes:
        """`tid (name) state ...`, empty where the thread has ended."""
        try:
            return os.pread(self._stat, STAT_BYTES, 0)
        except OSError:
            return b""
