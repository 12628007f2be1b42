"""What the supervisor does when TorchServe or the edge ends."""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from backend import instance, management, supervised, supervisor
from backend.settings import HOME, Ports, Settings, own_root
from backend.supervised import LONGEST_WAIT_S, WITHIN_S, SupervisedProcess
from gateway.telemetry.machine import watch_restarts
from gateway.telemetry.metrics import Metrics
from photorestore.directories import mark_done, new_name
from photorestore.options import STAGES
from photorestore.serving.management import Node
from tests.processes import until


class FakeProcess:
    def __init__(self) -> None:
        self.exit_status: int | None = None

    def stop(self) -> None:
        self.exit_status = self.exit_status or 0


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(supervised, "time", clock)
    return clock


def keep_up_until_started(process: SupervisedProcess[FakeProcess], clock: Clock) -> float:
    """How long it took."""
    begun = clock.now
    while not process.keep_up():
        clock.now += 0.5
    return clock.now - begun


def test_what_ends_is_started_again_at_once_and_then_after_longer_and_longer_waits(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    process = SupervisedProcess("the edge", FakeProcess)
    assert not process.keep_up()
    waits = []
    for _ in range(12):
        process.process.exit_status = -9
        waits.append(keep_up_until_started(process, clock))
    assert waits == [0, 2, 4, 8, 16, *[LONGEST_WAIT_S] * 7]
    assert process.restarts == 12
    assert caplog.messages[1] == "the edge has ended (exit status -9) and is started again in 2 s"


def test_ends_of_long_ago_do_not_count(clock: Clock) -> None:
    process = SupervisedProcess("the edge", FakeProcess)
    for _ in range(24):
        process.process.exit_status = 1
        assert keep_up_until_started(process, clock) == 0
        clock.now += WITHIN_S + 1


def test_a_full_disk_is_waited_for(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    starts: list[FakeProcess | OSError] = [
        FakeProcess(),
        OSError(28, "No space left on device"),
        FakeProcess(),
    ]

    def start() -> FakeProcess:
        begun = starts.pop(0)
        if isinstance(begun, OSError):
            raise begun
        return begun

    process = SupervisedProcess("TorchServe", start)
    process.process.exit_status = -9
    assert keep_up_until_started(process, clock) >= 2
    assert "TorchServe cannot be started: [Errno 28] No space left on device" in caplog.messages


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[FakeProcess]]:
    """Stand-ins for the processes that the supervisor has started, by name."""
    processes: dict[str, list[FakeProcess]] = {"TorchServe": [], "Edge": [], "Template": []}

    def start(name: str) -> FakeProcess:
        processes[name].append(FakeProcess())
        return processes[name][-1]

    monkeypatch.setattr(instance, "TorchServe", lambda *_: start("TorchServe"))
    monkeypatch.setattr(instance, "Edge", lambda *_: start("Edge"))
    monkeypatch.setattr(instance, "TemplateProcess", lambda *_: start("Template"))
    monkeypatch.setattr(instance, "are_for_cpus", lambda _: True)
    monkeypatch.setattr(supervisor, "is_edge_ready", lambda _: True)
    monkeypatch.setattr(supervisor, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(supervisor, "POLL_S", 0.01)
    monkeypatch.setattr(supervisor, "SENDING_S", 0)
    monkeypatch.setattr(management, "is_up", lambda _: True)
    monkeypatch.setattr(management, "nodes", lambda _: [Node(stage, 1, 1, 0) for stage in STAGES])
    return processes


def until_edges(started: dict[str, list[FakeProcess]], count: int) -> None:
    until(lambda: len(started["Edge"]) == count)


def run(
    settings: Settings, stopping: threading.Event, drain_s: float = 0
) -> tuple[threading.Thread, list[int]]:
    """A supervisor that is ready, and where its exit status will stand."""
    status: list[int] = []
    is_ready = threading.Event()
    thread = threading.Thread(
        target=lambda: status.append(supervisor.supervise(settings, stopping, drain_s, is_ready.set))
    )
    thread.start()
    assert is_ready.wait(20)
    return thread, status


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "run").mkdir()
    (tmp_path / "spaces").mkdir()
    return Settings(HOME, tmp_path / "run", tmp_path / "spaces", Ports.from_base(21_000), gateway_port=21_006)


def test_a_killed_edge_leaves_torchserve_alone_and_either_is_started_again(
    settings: Settings, started: dict[str, list[FakeProcess]], monkeypatch: pytest.MonkeyPatch
) -> None:
    registrations: list[Settings] = []
    monkeypatch.setattr(management, "register", registrations.append)
    stopping = threading.Event()
    thread, status = run(settings, stopping)
    for round_ in range(2):
        started["Edge"][-1].exit_status = -9
        until_edges(started, round_ + 2)
    assert started["TorchServe"][0].exit_status is None
    started["TorchServe"][-1].exit_status = -9
    until(lambda: len(registrations) == 2)
    until(lambda: restarts(settings.restarts_file) == (2, 1))
    stopping.set()
    thread.join()
    assert status == [0]
    assert all(process.exit_status is not None for group in started.values() for process in group)


def test_a_killed_template_is_started_again_and_leaves_torchserve_alone(
    settings: Settings, started: dict[str, list[FakeProcess]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(management, "register", lambda _: None)
    stopping = threading.Event()
    thread, status = run(settings, stopping)
    started["Template"][-1].exit_status = -9
    until(lambda: len(started["Template"]) == 2)
    until(lambda: '"template": 1' in settings.restarts_file.read_text())
    stopping.set()
    thread.join()
    assert (status, len(started["TorchServe"])) == ([0], 1)
    assert started["Template"][-1].exit_status is not None


def test_archives_for_gpus_need_no_template(
    settings: Settings, started: dict[str, list[FakeProcess]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(management, "register", lambda _: None)
    monkeypatch.setattr(instance, "are_for_cpus", lambda _: False)
    stopping = threading.Event()
    thread, status = run(settings, stopping)
    stopping.set()
    thread.join()
    assert (status, started["Template"]) == ([0], [])


def test_a_workflow_that_cannot_be_registered_again_has_torchserve_started_anew(
    settings: Settings, started: dict[str, list[FakeProcess]], monkeypatch: pytest.MonkeyPatch
) -> None:
    registrations: list[Settings] = []

    def register(given: Settings) -> None:
        registrations.append(given)
        if len(registrations) == 2:
            raise RuntimeError("not registered")

    monkeypatch.setattr(management, "register", register)
    stopping = threading.Event()
    thread, status = run(settings, stopping)
    started["TorchServe"][-1].exit_status = -9
    until(lambda: len(registrations) == 3)
    stopping.set()
    thread.join()
    assert (status, len(started["TorchServe"])) == ([0], 3)


def test_an_edge_that_ends_again_and_again_leaves_torchserve_alone(
    settings: Settings, started: dict[str, list[FakeProcess]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(management, "register", lambda _: None)
    monkeypatch.setattr(supervised, "LONGEST_WAIT_S", 0.0)
    stopping = threading.Event()
    thread, status = run(settings, stopping)
    for count in range(1, 12):
        started["Edge"][-1].exit_status = 1
        until_edges(started, count + 1)
    assert (len(started["TorchServe"]), started["TorchServe"][-1].exit_status, status) == (1, None, [])
    stopping.set()
    thread.join()
    assert status == [0]


def test_logs_are_appended_to_and_a_failed_start_shows_what_it_has_added(
    settings: Settings,
    started: dict[str, list[FakeProcess]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = settings.run_dir / "gateway.log"
    log.write_text("of an earlier start\n")

    def start(*_: object) -> FakeProcess:
        with log.open("a") as opened:
            opened.write("--port is 0\n")
        ended = FakeProcess()
        ended.exit_status = 2
        return ended

    monkeypatch.setattr(instance, "Edge", start)
    assert supervisor.supervise(settings, threading.Event(), 0, lambda: None) == 1
    told = capsys.readouterr().err
    assert "--port is 0" in told
    assert "of an earlier start" not in told
    assert log.read_text() == "of an earlier start\n--port is 0\n"


def test_without_an_edge_whoever_runs_the_container_starts_torchserve_again(
    tmp_path: Path, started: dict[str, list[FakeProcess]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(management, "register", lambda _: None)
    (tmp_path / "run").mkdir()
    (tmp_path / "spaces").mkdir()
    settings = Settings(HOME, tmp_path / "run", tmp_path / "spaces")
    thread, status = run(settings, threading.Event())
    started["TorchServe"][-1].exit_status = -9
    thread.join()
    assert (status, len(started["TorchServe"])) == ([1], 1)


def restarts(file: Path) -> tuple[float | None, ...]:
    """What the edge's metrics say, of the edge and of TorchServe."""
    metrics = Metrics()
    watch_restarts(metrics, file)
    name = "photorestore_gateway_process_restarts"
    return tuple(metrics.registry.get_sample_value(name, {"process": of}) for of in ("edge", "torchserve"))


def test_metrics_survive_a_file_that_is_being_written(tmp_path: Path) -> None:
    file = tmp_path / "restarts.json"
    assert restarts(file) == (0, 0)
    file.write_text("")
    assert restarts(file) == (0, 0)
    file.write_text(json.dumps({"edge": 1, "torchserve": 2}))
    assert restarts(file) == (1, 2)


def test_an_instance_that_ends_leaves_the_requests_of_another_alone(
    settings: Settings, started: dict[str, list[FakeProcess]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(management, "register", lambda _: None)
    monkeypatch.setattr("backend.settings.default_root", lambda: tmp_path / "shared")
    roots = [own_root(tmp_path / name) for name in ("first", "second")]
    for root in roots:
        root.mkdir(mode=0o700)
    (delivered := roots[1] / new_name(time.monotonic() + 60)).mkdir()
    mark_done(delivered)
    (awaited := roots[1] / new_name(time.monotonic() + 60)).mkdir()
    stopping = threading.Event()
    thread, status = run(replace(settings, workspace_root=roots[0]), stopping, drain_s=600)
    stopping.set()
    thread.join(60)  # it does not wait for what is not its own
    assert status == [0]
    assert delivered.is_dir()
    assert awaited.is_dir()
