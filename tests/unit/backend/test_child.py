"""Processes of an instance, which outlive the supervisor where a guard starts another one."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from backend.child import Child
from backend.settings import HOME, Settings
from tests.edge import ENVIRONMENT

SLEEP = ["sleep", "60"]
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(flush=True)
time.sleep(60)
"""
STARTER = """
import os, pathlib, sys, time
from backend.child import Child
from backend.settings import Settings
folder = pathlib.Path(sys.argv[1])
settings = Settings(folder, folder, folder, is_guarded=sys.argv[2] == "guarded")
places = {"cwd": folder, "log": folder / "log", "temp_dir": folder / "tmp"}
child = Child.start(settings, "x", ["sleep", "60"], environment=os.environ, **places)
print(child.pid, flush=True)
time.sleep(60)
"""
"""Stands in for a supervisor."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(HOME, tmp_path, tmp_path / "spaces", is_guarded=True)


def start(settings: Settings, words: list[str]) -> Child:
    log = settings.run_dir / "log"
    return Child.start(settings, "x", words, cwd=settings.run_dir, environment=os.environ, log=log)


def killed_starter(folder: Path, kind: str) -> psutil.Process:
    """What a supervisor has started that was killed then."""
    command = [sys.executable, "-c", STARTER, str(folder), kind]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        child = psutil.Process(int(starter.stdout.readline()))
        starter.kill()
    return child


def is_running(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def until_ended(child: Child) -> None:
    end = time.monotonic() + 60
    while child.exit_status is None:
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_what_a_guarded_supervisor_has_started_outlives_it_and_is_found(settings: Settings) -> None:
    left = killed_starter(settings.run_dir, "guarded")
    found = Child.find(settings, "x")
    assert found is not None
    assert (found.pid, found.temp_dir, found.exit_status) == (left.pid, settings.run_dir / "tmp", None)
    found.end(10)
    assert not is_running(left)
    assert found.exit_status == -1
    assert Child.find(settings, "x") is None


def test_without_a_guard_it_ends_with_its_supervisor(settings: Settings) -> None:
    left = killed_starter(settings.run_dir, "alone")
    end = time.monotonic() + 60
    while is_running(left) and time.monotonic() < end:
        time.sleep(0.01)
    assert not is_running(left)


def test_the_end_of_one_that_was_found_is_seen(settings: Settings) -> None:
    left = killed_starter(settings.run_dir, "guarded")
    found = Child.find(settings, "x")
    assert found is not None
    left.kill()
    until_ended(found)


def test_the_end_of_one_that_was_started_is_seen_with_its_status(settings: Settings) -> None:
    child = start(settings, SLEEP)
    assert child.exit_status is None
    os.kill(child.pid, signal.SIGKILL)
    until_ended(child)
    assert child.exit_status == -signal.SIGKILL
    child.end(1)  # it has ended already


def test_one_that_does_not_end_is_killed(settings: Settings) -> None:
    child = start(settings, [sys.executable, "-c", DEAF])
    end = time.monotonic() + 60
    while not (settings.run_dir / "log").stat().st_size and time.monotonic() < end:
        time.sleep(0.01)
    child.end(0.1)
    assert child.exit_status == -signal.SIGKILL


@pytest.mark.parametrize(
    "note",
    [
        "",
        "{}",
        "[]",
        '{"pid": 1, "started": 0, "temp_dir": ""}',
        '{"pid": 99999999, "started": 1, "temp_dir": ""}',
    ],
)
def test_another_process_of_the_same_id_is_not_taken_for_it(settings: Settings, note: str) -> None:
    (settings.run_dir / "x.json").write_text(note)
    assert Child.find(settings, "x") is None


def test_each_run_directory_has_its_own(settings: Settings, tmp_path: Path) -> None:
    child = start(settings, SLEEP)
    (tmp_path / "other").mkdir()
    assert Child.find(replace(settings, run_dir=tmp_path / "other"), "x") is None
    child.end(10)
