"""Waiting until TorchServe's front end listens for a node's answer.

In a workflow TorchServe (`DagExecutor.invokeModel`, 0.12.0) queues a node's job first and sets up the receipt of its
answer afterwards. An answer that comes in between is lost, and its request hangs until `timeout-ms`. That takes
microseconds, but on busy cores the thread may have to wait for its turn in the middle of them. So a handler looks
whether a thread of the workflow is still running before it answers: one that listens sleeps.

A thread also sleeps wherever it is while garbage is collected. The collector is then at work, or naps for at most a
millisecond until the last thread has stopped. So a thread is believed to listen when it slept at two looks, further
apart than such a nap, between which the collector slept on; and where it, too, slept on, as long as it sleeps.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

WORKFLOW = b"(wf-execute"
COLLECTOR = b"(VM Thread)"
"""How these threads are named in `/proc/<pid>/task/<tid>/stat`: the workflow's, and the one that collects garbage."""
APART_S = 0.0015
"""Between two looks: the collector's nap, and what a timer may be late."""
LIMIT_S = 1.0
"""Then the answer goes out all the same: other requests may keep such threads busy for ever."""
REUSED_S = 30.0
"""After this time an id may belong to another thread."""
STAT_BYTES = 64
"""Enough of that line (id, name and state), and of the one of `schedstat`."""
NOT_COUNTED = b"0 0 0\n"
"""What `schedstat` says where the kernel does not count."""
STATUS_BYTES = 16384
"""Enough of `status`, whose last lines count how often a thread was switched out."""
SETTLED_S = 1.0
"""By this age a thread has the name that it keeps."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one time.

    Attributes:
        at: by the monotonic clock.
        workflow: the threads that were looked at.
        asleep: those of them that slept, and how they had run so far.
        collector: how often it had been switched out, where it slept; None where it was at work.
    """

    at: float
    workflow: frozenset[_Thread]
    asleep: Mapping[_Thread, bytes]
    collector: tuple[bytes, ...] | None


class FrontEnd:
    """The process that started this one, and its threads.

    It has hundreds of threads. Looking up each of them for every answer would cost more than a passing stage does, so
    those that are no concern of ours are remembered, and the others' files stay open.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._tasks = str(proc / str(os.getppid()) / "task")
        self._threads: dict[str, _Thread] = {}
        self._listed = time.monotonic()

    def look(self) -> Look:
        """A first look: whoever waits for an answer to what we were asked is there, unless it is known to listen."""
        self._list_threads()
        return self._look_at(thread for thread in self._of(WORKFLOW) if not thread.has_slept_on())

    def wait_until_listening(self, first: Look, limit_s: float = LIMIT_S) -> None:
        """Return when every thread of the first look has been seen listening. Without such threads that is at once.

        One need not listen when the others do: once it has, it may be woken for something else.
        """
        until = time.monotonic() + limit_s
        before, left = first, first.workflow
        while left and time.monotonic() < until:
            time.sleep(max(0.0, before.at + APART_S - time.monotonic()))
            now = self._look_at(left)
            if now.collector is not None and now.collector == before.collector:
                listening = before.asleep.keys() & now.asleep.keys()
                for thread in listening:
                    if before.asleep[thread] == now.asleep[thread]:
                        thread.listened = now.asleep[thread]
                left -= listening
            before = now

    def _of(self, role: bytes) -> list[_Thread]:
        return [thread for thread in self._threads.values() if thread.role == role]

    def _look_at(self, workflow: Iterable[_Thread]) -> Look:
        at, threads = time.monotonic(), frozenset(workflow)
        had_run = {thread: thread.runs() for thread in threads}  # first: who runs from here on is seen later
        asleep = {thread: runs for thread, runs in had_run.items() if not thread.is_running()}
        collectors = self._of(COLLECTOR)
        is_idle = not any(thread.is_running() for thread in collectors)
        return Look(
            at, threads, asleep, tuple(thread.switches() for thread in collectors) if is_idle else None
        )

    def _list_threads(self) -> None:
        try:
            names = set(os.listdir(self._tasks))  # noqa: PTH208 - hundreds of names, for each answer
        except OSError:
            names = set()
        now = time.monotonic()
        is_recent, self._listed = now - self._listed < REUSED_S, now
        for name in self._threads.keys() - names if is_recent else list(self._threads):
            self._threads.pop(name).close()
        for name in names - self._threads.keys():
            thread = _Thread.open(f"{self._tasks}/{name}")
            if thread is not None:
                self._threads[name] = thread
        for thread in self._threads.values():
            if thread.role is None:
                thread.learn_role()


class _Thread:
    """One thread of the front end: its files `stat` and `schedstat`, which stay open while it can be of interest.

    Attributes:
        role: `WORKFLOW`, `COLLECTOR`, empty for another one; None while it may still get its name.
        listened: how it had run when it was last seen listening; empty where that is not known.
    """

    def __init__(self, folder: str) -> None:
        """Raises OSError where the thread has ended."""
        self._folder = folder
        self._stat = _open(f"{folder}/stat")
        self._schedstat = -1
        self._since = time.monotonic()
        self.role: bytes | None = None
        self.listened = b""

    @classmethod
    def open(cls, folder: str) -> _Thread | None:
        try:
            return cls(folder)
        except OSError:
            return None

    def learn_role(self) -> None:
        """Read the thread's name, until it is one of those that we look for, or too old to change."""
        line = _read(self._stat)
        self.role = next((role for role in (WORKFLOW, COLLECTOR) if role in line), None)
        if self.role is not None:
            with contextlib.suppress(OSError):
                self._schedstat = _open(f"{self._folder}/schedstat")
        elif time.monotonic() - self._since > SETTLED_S:
            self.role = b""
            self.close()

    def is_running(self) -> bool:
        """Also where it waits for its turn, or for the kernel."""
        line = _read(self._stat)
        return line[line.rfind(b")") + 2 :].startswith((b"R", b"D"))

    def has_slept_on(self) -> bool:
        """Whether it has not run since it was last seen listening."""
        return self.listened != b"" and self.runs() == self.listened

    def runs(self) -> bytes:
        """How long and how often it has run: this stands while it sleeps. Empty where the kernel does not count."""
        line = _read(self._schedstat)
        return b"" if line == NOT_COUNTED else line

    def switches(self) -> bytes:
        """What stands as long as it sleeps, whatever the kernel counts: its runs, or else its switches."""
        if runs := self.runs():
            return runs
        try:
            status = _open(f"{self._folder}/status")
        except OSError:
            return b""
        try:
            return os.read(status, STATUS_BYTES).partition(b"voluntary_ctxt_switches")[2]
        finally:
            os.close(status)

    def close(self) -> None:
        for descriptor in (self._stat, self._schedstat):
            if descriptor >= 0:
                os.close(descriptor)
        self._stat = self._schedstat = -1


def _open(file: str) -> int:
    return os.open(file, os.O_RDONLY | os.O_CLOEXEC)


def _read(descriptor: int) -> bytes:
    """The first line of a small file, or most of it; empty where the thread has ended."""
    try:
        return os.pread(descriptor, STAT_BYTES, 0)
    except OSError:
        return b""
