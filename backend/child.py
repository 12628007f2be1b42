"""A process of the instance: started by this supervisor, or by one that has died since.

Where a guard starts the supervisor again, TorchServe and the edge outlive it and are taken over, so that its death
costs nothing. A note in the run directory says which processes those are.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

from backend.settings import Settings


class Child:
    """A process with its note.

    Attributes:
        temp_dir: the folder that goes with it; None if it has none.
    """

    def __init__(self, process: psutil.Process, note: Path, temp_dir: Path | None) -> None:
        self._process = process
        self._note = note
        self.temp_dir = temp_dir

    @classmethod
    def start(
        cls,
        settings: Settings,
        name: str,
        words: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        log: Path,
        temp_dir: Path | None = None,
    ) -> Self:
        """Start a process in a session of its own, whose output is appended to a log.

        Raises:
            OSError: it cannot be started.
        """
        with log.open("ab") as output:
            process = psutil.Popen(
                words,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=None if settings.is_guarded else stop_with_parent(),
            )
        note = _note(settings, name)
        document = {"pid": process.pid, "started": _started(process.pid), "temp_dir": str(temp_dir or "")}
        note.write_text(json.dumps(document))
        return cls(process, note, temp_dir)

    @classmethod
    def find(cls, settings: Settings, name: str) -> Self | None:
        """Return the process that an earlier supervisor has started, if it still runs."""
        note = _note(settings, name)
        try:
            document = json.loads(note.read_text())
            if document["started"] != _started(document["pid"]):
                return None
            temp_dir = Path(document["temp_dir"]) if document["temp_dir"] else None
            return cls(psutil.Process(document["pid"]), note, temp_dir)
        except (OSError, ValueError, TypeError, KeyError, psutil.Error):
            return None

    @property
    def pid(self) -> int:
        """Return the process id."""
        pid: int = self._process.pid
        return pid

    @property
    def exit_status(self) -> int | None:
        """Return the exit status, or -1 if another process has been told it; None while it runs."""
        if isinstance(self._process, psutil.Popen):
            status: int | None = self._process.poll()
            return status
        with contextlib.suppress(psutil.NoSuchProcess):
            if self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE:
                return None
        return -1

    def end(self, seconds: float) -> None:
        """End the process by SIGTERM, and kill it if it takes longer than so many seconds."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process.terminate()
            try:
                self._process.wait(seconds)
            except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
                self._process.kill()
                self._process.wait()
        self._note.unlink(missing_ok=True)


def _note(settings: Settings, name: str) -> Path:
    return settings.run_dir / f"{name}.json"


def _started(pid: int) -> int:
    """Return when a process started, in ticks of the kernel since the machine did: with the id it names the process.

    Raises:
        OSError: there is none.
    """
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def stop_with_parent() -> Callable[[], None]:
    """Return a function to call in a child, which makes the kernel end it when its parent dies in any way.

    The C library is loaded here, before the fork: in the child of a process with threads that could block for ever.
    """
    pr_set_pdeathsig = 1
    return functools.partial(ctypes.CDLL(None).prctl, pr_set_pdeathsig, signal.SIGTERM)
