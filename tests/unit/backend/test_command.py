"""The command line of the backend, with processes in TorchServe's place."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from backend import command
from backend.run_lock import holder_of, holding
from backend.settings import HOME, HOST, Ports, Settings
from deploy.ports import free_ports
from photorestore.options import STAGES
from photorestore.serving.management import Node
from tests.edge import ENVIRONMENT

HOLDER = """
import signal, sys, threading
from pathlib import Path
from backend.run_lock import holding
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set() if sys.argv[2] == "ends" else None)
with holding(Path(sys.argv[1])):
    print("held", flush=True)
    ended.wait()
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "run").mkdir()
    return Settings(HOME, tmp_path / "run", tmp_path / "spaces", Ports.from_base(free_ports(7)))


def holder(settings: Settings, how: str) -> subprocess.Popen[bytes]:
    """A process that holds the run directory, and ends on SIGTERM or not."""
    words = [sys.executable, "-c", HOLDER, str(settings.pid_file), how]
    process = subprocess.Popen(words, env=ENVIRONMENT, cwd=HOME, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as told:
        assert told.readline() == b"held\n"
    return process


def test_what_runs_is_stopped_and_waited_for(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    process = holder(settings, "ends")
    assert holder_of(settings.pid_file) == process.pid
    threading.Thread(target=process.wait).start()
    assert command._stop(settings, 5) == 0
    assert capsys.readouterr().out == "stopped\n"
    assert holder_of(settings.pid_file) is None
    assert process.wait() == 0


def test_what_does_not_end_is_named_and_left(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = holder(settings, "stays")
    monkeypatch.setattr(command, "STOP_S", 0.05)
    try:
        assert command._stop(settings, 0) == 1
        assert capsys.readouterr().err == f"process {process.pid} does not end\n"
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_a_second_instance_of_a_run_directory_does_not_start(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with holding(settings.pid_file):
        assert command._serve(settings, 0) == 1
    assert capsys.readouterr().err == "already running\n"


def test_what_runs_in_the_background_is_not_started_again(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(command, "spawn")
    with holding(settings.pid_file):
        assert command._serve_in_background(settings, 0) == 0
    assert settings.url in capsys.readouterr().out


def test_a_start_in_the_background_that_fails_says_why(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "POLL_S", 0.02)
    (settings.run_dir / "ready").touch()  # left over from an earlier run
    port = settings.ports.inference + 6
    with socket.create_server((HOST, port)):
        assert command._serve_in_background(replace(settings, gateway_port=port), 3.5) == 1
    assert f"ports in use: [{port}]" in capsys.readouterr().err


def test_a_start_in_the_background_returns_when_it_is_ready(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "POLL_S", 0.02)
    wait_and_tell = f"sleep 0.1; touch {settings.run_dir / 'ready'}; sleep 60"
    started = []

    def spawn(*_: object) -> subprocess.Popen[bytes]:
        started.append(
            subprocess.Popen(["sh", "-c", f"exec sh -c '{wait_and_tell}'"], start_new_session=True)
        )
        return started[0]

    monkeypatch.setattr(command, "spawn", spawn)
    try:
        assert command._serve_in_background(settings, 0) == 0
        assert "photorestore is ready" in capsys.readouterr().out
        assert started[0].poll() is None
    finally:
        os.killpg(started[0].pid, signal.SIGKILL)
        started[0].wait()


@pytest.mark.parametrize("gateway_port", [None, 8000])
def test_status_is_told_as_json(
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    gateway_port: int | None,
) -> None:
    nodes = [Node(stage, 2, 2, 1) for stage in STAGES]
    monkeypatch.setattr("backend.management.nodes", lambda _: nodes)
    monkeypatch.setattr("backend.supervisor.is_edge_ready", lambda _: True)
    settings = replace(settings, gateway_port=gateway_port)
    assert command._status(settings) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["ready"], document["url"]) == (True, settings.url)
    assert document["stages"][0] == {"stage": STAGES[0], "ready": 2, "wanted": 2, "pending": 1}
    nodes[3] = Node(STAGES[3], 1, 2, 0)
    assert command._status(settings) == 1


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Settings, float]]:
    """What `main` calls, in place of doing it."""
    calls: list[tuple[str, Settings, float]] = []

    def note(name: str) -> Callable[[Settings, float], int]:
        def run(settings: Settings, drain_s: float = 0.0, *, is_second: bool = False) -> int:
            assert not is_second
            calls.append((name, settings, drain_s))
            return 7

        return run

    monkeypatch.setattr(command, "log_as_json", lambda _: None)
    for name in ("_serve", "_serve_in_background", "_stop", "_status"):
        monkeypatch.setattr(command, name, note(name))
    return calls


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["serve"], "_serve"),
        (["serve", "--background"], "_serve_in_background"),
        (["stop"], "_stop"),
        (["status"], "_status"),
    ],
)
def test_each_word_does_its_work_and_its_status_is_given_back(
    called: list[tuple[str, Settings, float]], words: list[str], name: str
) -> None:
    before = os.umask(0o022)
    try:
        assert command.main(words) == 7
    finally:
        assert os.umask(before) == (0o077 if words[0] == "serve" else 0o022)
    ((found, settings, drain_s),) = called
    assert (found, settings.home, settings.run_dir) == (name, HOME, HOME / ".run")
    assert (settings.ports, settings.gateway_port) == (Ports(), None)
    assert drain_s == (0 if name == "_status" else 60)


def test_folders_and_ports_are_those_of_the_command_line(
    called: list[tuple[str, Settings, float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = (
        "stop --home . --run-dir run --workspace-root spaces --port-base 9100 --gateway-port 9106 --drain-s 2"
    )
    command.main(words.split())
    ((_, settings, drain_s),) = called
    assert settings == Settings(
        tmp_path, tmp_path / "run", tmp_path / "spaces", Ports(9100, 9101, 9102, 9103, 9104, 9105), 9106
    )
    assert drain_s == 2


def test_the_workspace_root_may_come_from_the_environment(
    called: list[tuple[str, Settings, float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOTORESTORE_WORKSPACE", str(tmp_path / "told"))
    command.main(["status"])
    command.main(["status", "--workspace-root", str(tmp_path / "given")])
    assert [settings.workspace_root.name for _, settings, _ in called] == ["told", "given"]


def test_a_workspace_root_that_is_a_link_stays_one_so_that_it_is_refused(
    called: list[tuple[str, Settings, float]], tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    command.main(["status", "--workspace-root", str(tmp_path / "link")])
    assert called[0][1].workspace_root.is_symlink()


def test_ports_that_are_the_usual_ones_are_not_repeated_to_the_background(settings: Settings) -> None:
    assert command._port_arguments(replace(settings, ports=Ports())) == []
    assert command._port_arguments(replace(settings, ports=Ports(), gateway_port=8000)) == [
        "--gateway-port",
        "8000",
    ]


@pytest.mark.parametrize("words", [[], ["start"], ["serve", "--port-base", "x"], ["serve", "--colour"]])
def test_words_that_are_not_known_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(words)
    assert ended.value.code == 2
    assert "usage: python -m backend" in capsys.readouterr().err
