"""Load, faults and hostile callers: what is counted while a service is used, without a service."""

import contextlib
import itertools
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import psutil
import pytest
from photorestore_client import RestoreError

from bench import bulk, faults, hostile, load, serving, soak
from bench.callers import Load
from bench.service import Service, taking_turns
from deploy.ports import free_ports
from photorestore.options import STAGES


@dataclass
class Child:
    """A process as psutil tells it."""

    words: tuple[str, ...]
    called: str
    pid: int = 0

    def cmdline(self) -> list[str]:
        return list(self.words)

    def name(self) -> str:
        return self.called

    def memory_info(self) -> SimpleNamespace:
        return SimpleNamespace(rss=12_300_000)

    def num_threads(self) -> int:
        return 3

    def num_fds(self) -> int:
        return 7


EDGE = Child(("python", "-m", "gateway", "serve", "--port", "1"), "python")
CHILDREN = [
    EDGE,
    Child(("python", "-m", "backend.template", "x"), "python"),
    Child(("python", "-m", "backend.template", "x"), "worker"),  # forked from the template
    Child(("python", "worker.py"), "worker"),
    Child(("sh", "python"), "sh"),
    Child(("java", "-jar"), "java"),
]


@pytest.fixture
def service(tmp_path: Path) -> Service:
    supervisor: Any = SimpleNamespace(children=lambda *, recursive=False: CHILDREN, pid=0)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/edge.log").write_bytes(bytes(1_500_000))
    (tmp_path / "logs/edge.log.1").write_bytes(bytes(1_000_000))
    (tmp_path / "other").write_bytes(bytes(9_000_000))
    return Service(free_ports(7), tmp_path, tmp_path / "spaces", supervisor)


def test_calls_are_counted_by_whether_they_worked() -> None:
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        if len(calls) % 3 == 0:
            raise ValueError("every third one")

    until = time.monotonic() + 0.05
    worked, raised = load.repeat(call, until)
    assert worked + raised == len(calls)
    assert raised == len(calls) // 3
    assert load.repeat(call, time.monotonic() - 1) == (0, 0)


def test_as_many_calls_are_in_flight_as_the_pool_has_threads() -> None:
    running, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(3)

    def call() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(20)
        with lock:
            running -= 1

    with ThreadPoolExecutor(3) as pool:
        load.at_once(pool, call, 9)
    assert most == 3


def test_a_call_that_fails_ends_the_measurement() -> None:
    def call() -> None:
        raise RuntimeError("no answer")

    with ThreadPoolExecutor(2) as pool, pytest.raises(RuntimeError, match="no answer"):
        load.at_once(pool, call, 3)


def test_waiting_tells_whether_it_came_true() -> None:
    asked = iter([False, False, True])
    assert load.wait_until(lambda: next(asked), 20) == 1
    assert load.wait_until(lambda: False, 0.15) == 0


def test_requests_in_flight_are_read_from_the_edges_metrics(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "# HELP photorestore_gateway_in_flight_requests now\n"
        "photorestore_gateway_in_flight_requests 3.0\n"
        "photorestore_gateway_in_flight_requests_limit 16.0\n"
    )
    monkeypatch.setattr(load, "metrics", lambda _: text)
    assert load.in_flight_requests(service) == 3


@contextlib.contextmanager
def answering(port: int, status: int) -> Any:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "is_ready"), [(200, True), (503, False)])
def test_a_service_is_ready_when_the_edge_says_so(service: Service, status: int, is_ready: bool) -> None:
    assert not load.is_ready(service)  # nobody listens
    with answering(service.port + 6, status):
        assert load.is_ready(service) == is_ready


def test_processes_are_told_apart(service: Service) -> None:
    kinds = [soak.kind_of(child) for child in CHILDREN]
    assert kinds == ["edge", "template", "workers", "workers", "launchers", "torchserve"]
    assert hostile.edge_of(service) is EDGE


def test_what_processes_hold_is_summed_by_kind(service: Service) -> None:
    found = soak.held(service)
    assert found["workers"] == {"processes": 2, "mb": 24.6, "threads": 6, "descriptors": 14}
    assert found["edge"]["processes"] == 1
    assert found["logs_mb"] == 2.5


def test_errors_of_callers_are_told_and_others_end_the_run() -> None:
    def call(number: int) -> None:
        if number % 4 == 0:
            raise RestoreError(f"of {number}")

    assert soak._all(call, range(9)) == [f"RestoreError('of {number}')" for number in (0, 4, 8)]
    with pytest.raises(ZeroDivisionError):
        soak._all(lambda number: 1 // number, range(3))


def test_every_tenth_request_of_the_soak_asks_for_a_restoration() -> None:
    sent: list[tuple[bytes, dict[str, Any]]] = []
    for number in range(20):
        soak._ask(lambda picture, **options: sent.append((picture, options)), number)
    assert [number for number, (_, options) in enumerate(sent) if "stages" not in options] == [0, 10]
    assert len({picture for picture, _ in sent}) == 20  # no two share a run


def test_samples_are_taken_while_the_block_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "SAMPLE_EVERY_S", 0.001)
    values, taken = iter(range(10**9)), threading.Event()

    def measure() -> int:
        value = next(values)
        if value >= 3:
            taken.set()
        return value

    with serving.sampled(measure) as samples:
        assert taken.wait(20)
    count = len(samples)
    assert samples[:4] == [0, 1, 2, 3]
    time.sleep(0.01)
    assert len(samples) == count


def test_memory_counts_files_of_workspaces_and_no_shared_page_twice(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.root.mkdir()
    (service.root / "plane").write_bytes(bytes(64 << 10))
    monkeypatch.setattr(serving, "_pss_bytes", lambda _: 1000)
    found = serving.memory_bytes(service)
    assert found == 1000 * (1 + len(CHILDREN)) + sum(
        512 * file.stat().st_blocks for file in service.root.rglob("*")
    )


def test_a_processes_own_memory_is_read_and_that_of_none_is_none() -> None:
    assert 1 << 20 < serving._pss_bytes(psutil.Process().pid) < 1 << 36
    assert serving._pss_bytes(2**30) == 0


def test_turns_are_taken_and_the_first_rounds_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now, order = 0.0, list[str]()
    monkeypatch.setattr("bench.service.time", SimpleNamespace(perf_counter=lambda: now))

    def side(name: str, takes_s: float) -> Callable[[], None]:
        def call() -> None:
            nonlocal now
            order.append(name)
            now += takes_s if len(order) > 4 else 100

        return call

    medians = taking_turns({"quick": side("quick", 1), "slow": side("slow", 3)}, 3, warm_up=2)
    assert order == 5 * ["quick", "slow"]
    assert medians == {"quick": 1, "slow": 3}


def test_hostile_callers_begin_again_until_they_are_told_to_end() -> None:
    caller = hostile.Hostile(SimpleNamespace(), "key", "hook")  # type: ignore[arg-type]
    caller.over.wait = lambda timeout=None: caller.over.is_set()  # type: ignore[method-assign]

    def refused(one: hostile.Hostile) -> None:
        if one.done["refused"] == 3:
            one.over.set()
        raise ConnectionResetError

    hostile._repeat(caller, refused, time.monotonic() + 60)
    assert caller.done == {"refused": 3}
    hostile._repeat(caller, refused, time.monotonic() + 60)
    assert caller.done == {"refused": 3}


def test_a_fault_of_a_hostile_caller_itself_is_not_hidden() -> None:
    caller = hostile.Hostile(SimpleNamespace(), "key", "hook")  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        hostile._repeat(caller, lambda one: one.service.no_such_thing, time.monotonic() + 60)  # type: ignore[attr-defined]


def test_every_process_is_killed_as_often_as_said(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    children = [Child(child.words, child.called, pid) for pid, child in enumerate(CHILDREN)]
    supervisor: Any = SimpleNamespace(children=lambda *, recursive=False: children)
    monkeypatch.setattr(
        faults,
        "psutil",
        SimpleNamespace(Process=lambda pid: SimpleNamespace(kill=lambda: killed.append(pid))),
    )
    monkeypatch.setattr(faults, "workers", lambda _: {100: "denoise", 101: "face"})
    times = iter(range(100))
    monkeypatch.setattr(faults, "_seconds_until_whole", lambda *_: next(times))
    found = faults.kill_each(Service(1, service.run_dir, service.root, supervisor))["seconds_until_whole"]
    assert killed == faults.TIMES * [100, 101, 0, 1, 5]
    assert found == {"worker of denoise": 5, "worker of face": 6, "edge": 7, "template": 8, "torchserve": 9}


@pytest.mark.parametrize("missing", ["", STAGES[-1]])
def test_a_service_is_whole_when_every_stage_has_a_worker(
    service: Service, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "is_ready", lambda _: True)
    monkeypatch.setattr(
        faults, "workers", lambda _: {pid: stage for pid, stage in enumerate(STAGES) if stage != missing}
    )
    assert faults.is_whole(service) == (not missing)


def test_a_full_disk_is_filled_and_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "FULL_S", 0.0)
    written = 0

    class Full:
        def __init__(self, *_: object) -> None: ...
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...
        def write(self, content: bytes) -> None:
            nonlocal written
            if written >= 1 << 20:
                raise OSError(28, "No space left on device")
            written += len(content)

    (tmp_path / "filling").touch()
    monkeypatch.setattr(Path, "open", Full)
    assert faults.fill(tmp_path) == {"full_s": 0.0}
    assert written == 1 << 20
    assert not (tmp_path / "filling").exists()


class Clients:
    """Stands in for the project's client."""

    def __init__(self, ends: list[str | None]) -> None:
        self.ends = ends

    def job(self, number: int) -> SimpleNamespace:
        state = self.ends[number]
        if state is None:
            raise RestoreError("no such job")
        return SimpleNamespace(ended=True, state=state)


def test_jobs_are_counted_by_their_end_and_a_lost_one_as_lost() -> None:
    at_work = Load(Clients(["done", "failed", None, "done"]), jobs=[0, 1, 2, 3])  # type: ignore[arg-type, list-item]
    assert at_work.states() == {"done": 2, "failed": 1, "lost": 1}
    assert len(at_work.errors) == 1


@pytest.mark.parametrize(("pictures", "broken"), [(10, 0), (20, 4), (7, 7)])
def test_broken_pictures_are_spread_evenly(tmp_path: Path, pictures: int, broken: int) -> None:
    bulk.make(tmp_path, pictures, broken)
    files = sorted(tmp_path.glob("*.jpg"))
    cut = [number for number, file in enumerate(files) if not file.read_bytes().endswith(b"\xff\xd9")]
    assert (len(files), len(cut)) == (pictures, broken)
    assert all(later - earlier == pictures // broken for earlier, later in itertools.pairwise(cut))
    assert len({file.read_bytes() for file in files}) == pictures


def test_bulk_work_is_killed_once_it_has_so_many_results(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "for number in range(10**6):\n"
        "    pathlib.Path(sys.argv[1], f'{number}.jpg').touch()\n"
        "    time.sleep(0.02)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], text=True)
    bulk.kill_at(process, tmp_path, 3)
    assert process.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob("*.jpg"))) >= 3
