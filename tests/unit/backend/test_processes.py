"""TorchServe and the edge as processes: started, ended with all they started, killed where they do not end."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from backend import edge, launch, torchserve
from backend.edge import Edge
from backend.settings import HOME, Ports, Settings
from backend.torchserve import TorchServe
from deploy.ports import free_ports
from tests.edge import ENVIRONMENT
from tests.processes import is_alive, until

STUBBORN = """#!/bin/sh
trap '' TERM
echo "$@" >> words
touch begun
while :; do sleep 0.05; done
"""
PARENT = """
import subprocess, sys, time
from backend.child import stop_with_parent
child = subprocess.Popen(["sleep", "60"], preexec_fn=stop_with_parent(), stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(60)
"""


def has_ended(process: Edge) -> bool:
    return process.exit_status is not None


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "run").mkdir()
    return Settings(HOME, tmp_path / "run", tmp_path / "spaces", Ports.from_base(free_ports(7)))


@pytest.fixture
def serving(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], TorchServe]]:
    """Start a shell's script in Java's place."""
    started: list[TorchServe] = []
    monkeypatch.setattr(torchserve, "write_patched_classes", lambda *_: None)

    def start(script: str) -> TorchServe:
        monkeypatch.setattr(launch, "command", lambda *_: ["sh", "-c", script])
        started.append(TorchServe(settings))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def test_what_torchserve_started_ends_with_it(
    serving: Callable[[str], TorchServe], settings: Settings
) -> None:
    running = serving("sleep 60 & echo $! > worker; echo started; wait")
    worker = settings.run_dir / "worker"
    until(lambda: worker.exists() and worker.read_text().strip())
    assert running.exit_status is None
    assert (settings.run_dir / "tmp").is_dir()
    running.stop()
    until(lambda: not is_alive(int(worker.read_text())))
    assert running.exit_status == -signal.SIGTERM
    assert not (settings.run_dir / "tmp").exists()
    assert (settings.run_dir / "console.log").read_text() == "started\n"


def test_torchserve_that_does_not_end_is_killed(
    serving: Callable[[str], TorchServe], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchserve, "STOP_S", 0.1)
    running = serving("trap '' TERM; touch begun; while :; do sleep 0.05; done")
    until((settings.run_dir / "begun").exists)
    running.stop()
    assert running.exit_status == -signal.SIGKILL
    assert not is_alive(running.pid)


def test_stopping_what_has_ended_by_itself_is_no_error(
    serving: Callable[[str], TorchServe], settings: Settings
) -> None:
    running = serving("exit 3")
    until(lambda: running.exit_status is not None)
    running.stop()
    assert running.exit_status == 3
    assert not (settings.run_dir / "tmp").exists()


def test_a_child_ends_when_its_parent_dies_in_any_way() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], env=ENVIRONMENT, cwd=HOME, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    with parent.stdout as told:
        child = int(told.readline())
    assert is_alive(child)
    parent.kill()
    parent.wait()
    until(lambda: not is_alive(child))


def test_the_edge_is_told_where_everything_is_and_answers_until_it_is_stopped(settings: Settings) -> None:
    settings = replace(settings, gateway_port=settings.ports.inference + 6)
    assert not edge.is_ready(settings), "nobody listens"
    running = Edge(settings, 1.0)
    log = settings.run_dir / "gateway.log"
    try:
        until(lambda: running.exit_status is not None or "running on" in log.read_text().lower())
        assert running.exit_status is None, log.read_text()
        assert not edge.is_ready(settings), "there is no TorchServe"
        assert (settings.run_dir / "jobs").is_dir()
    finally:
        running.stop()
    assert running.exit_status == 0, log.read_text()


def test_an_edge_that_does_not_end_is_killed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "stubborn"
    program.write_text(STUBBORN)
    program.chmod(0o700)
    monkeypatch.setattr(edge, "STOP_S", 0.1)
    monkeypatch.setattr(edge, "HOME", tmp_path)
    monkeypatch.setattr(sys, "executable", str(program))
    running = Edge(replace(settings, gateway_port=8000), 0.0)
    until((tmp_path / "begun").exists)
    running.stop()
    assert running.exit_status == -signal.SIGKILL
    assert (tmp_path / "words").read_text().startswith("-m gateway serve --port 8000")


def test_jobs_lie_where_the_environment_says_or_else_in_the_run_directory(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "telling"
    program.write_text(f'#!/bin/sh\necho "${edge.JOBS_VARIABLE}"\n')
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    for told in ("", "/elsewhere"):
        if told:
            monkeypatch.setenv(edge.JOBS_VARIABLE, told)
        running = Edge(replace(settings, gateway_port=8000), 0.0)
        until(partial(has_ended, running))
    written = (settings.run_dir / "gateway.log").read_text().split()
    assert written == [str(settings.run_dir / "jobs"), "/elsewhere"], "and the log goes on"
    assert os.environ[edge.JOBS_VARIABLE] == "/elsewhere"
