"""A supervisor in the background and its guard: whichever is killed, the other starts it again."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend import guard
from backend.guard import Guarded
from backend.run_lock import holder_of, holding
from backend.settings import HOME, Settings
from tests.edge import ENVIRONMENT
from tests.processes import until

HOLDER = """
import pathlib, sys, time
from backend.run_lock import holding
with holding(pathlib.Path(sys.argv[1])):
    time.sleep(60)
"""
"""Stands in for a supervisor or a guard: it holds the lock of a file."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(HOME, tmp_path, tmp_path / "spaces")


class Started:
    """Starts stand-ins, and ends them at the end."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.processes: list[subprocess.Popen[bytes]] = []

    def __call__(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", HOLDER, str(self.file)]
        self.processes.append(subprocess.Popen(command, env=ENVIRONMENT))
        return self.processes[-1]


@contextlib.contextmanager
def starting(file: Path) -> Iterator[Started]:
    started = Started(file)
    try:
        yield started
    finally:
        for process in started.processes:
            process.kill()
            process.wait()


def test_a_supervisor_that_dies_is_started_again_until_it_is_told_to_end(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "LOOK_EVERY_S", 0.01)
    with starting(settings.pid_file) as start:
        start()
        until(lambda: holder_of(settings.pid_file))
        guarding = threading.Thread(target=guard.guard, args=(settings, start))
        guarding.start()
        for number in range(2):
            pid = holder_of(settings.pid_file)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            until(lambda: len(start.processes) == number + 2 and holder_of(settings.pid_file))  # noqa: B023
        settings.stopped_file.touch()
        start.processes[-1].kill()
        guarding.join(20)
        assert not guarding.is_alive()
        assert len(start.processes) == 3
    assert holder_of(settings.guard_file) is None


def test_a_guard_that_dies_is_started_again(settings: Settings) -> None:
    with starting(settings.guard_file) as start:
        guarded = Guarded(settings, start)
        for number in range(3):
            guarded.keep_up()
            guarded.keep_up()  # it has no lock yet, but is on its way
            until(lambda: holder_of(settings.guard_file))
            guarded.keep_up()
            assert len(start.processes) == number + 1
            start.processes[-1].kill()
            start.processes[-1].wait()


def test_a_supervisor_takes_the_guard_that_is_there(settings: Settings) -> None:
    with starting(settings.guard_file) as start, holding(settings.guard_file):
        Guarded(settings, start).keep_up()
        assert start.processes == []


def test_there_is_one_guard(settings: Settings) -> None:
    with starting(settings.pid_file) as start, holding(settings.guard_file):
        guard.guard(settings, start)
        assert start.processes == []
