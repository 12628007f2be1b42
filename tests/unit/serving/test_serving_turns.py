"""Processes that share the cores."""

import fcntl
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from photorestore.serving.turns import Turn

CORES = 4
TIMEOUT_S = 30


def work(files: Path, pipe: Connection) -> None:
    """A turn for each thing received, until the next is received; sends the cores it was given."""
    turn = Turn(files, CORES, pipe.send)
    while pipe.recv():
        with turn:
            pipe.recv()
        pipe.send("done")


class Worker:
    """Another process."""

    def __init__(self, files: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(files, theirs), daemon=True)
        self.process.start()

    def ask(self) -> None:
        self.pipe.send(True)

    def cores(self) -> int:
        assert self.pipe.poll(TIMEOUT_S)
        return self.pipe.recv()

    def waits(self) -> bool:
        return not self.pipe.poll(0.3)

    def finish(self) -> None:
        self.pipe.send(True)
        assert self.pipe.poll(TIMEOUT_S)
        assert self.pipe.recv() == "done"


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[Worker]]:
    started = [Worker(tmp_path / "turn") for _ in range(3)]
    yield started
    for worker in started:
        worker.process.kill()


def test_one_alone_gets_all_cores(workers: list[Worker]) -> None:
    for worker in workers:
        worker.ask()
        assert worker.cores() == CORES
        worker.finish()


def test_who_waits_alone_gets_all_cores_after_it(workers: list[Worker]) -> None:
    first, second, _ = workers
    first.ask()
    assert first.cores() == CORES
    second.ask()
    assert second.waits()
    first.finish()
    assert second.cores() == CORES


def test_two_who_wait_get_half_of_the_cores_each(workers: list[Worker]) -> None:
    first, *others = workers
    first.ask()
    assert first.cores() == CORES
    for worker in others:
        worker.ask()
    assert all(worker.waits() for worker in others)
    first.finish()
    assert [worker.cores() for worker in others] == [CORES // 2, CORES // 2]
    others[0].finish()
    first.ask()
    assert first.cores() == CORES // 2


def test_who_has_had_a_turn_goes_behind_those_who_wait(tmp_path: Path) -> None:
    given, has_ended = list[tuple[str, int]](), threading.Event()
    first = Turn(tmp_path / "turn", CORES, lambda cores: given.append(("first", cores)))
    second = Turn(tmp_path / "turn", CORES, lambda cores: given.append(("second", cores)))

    def work_long() -> None:
        with second:
            has_ended.wait(TIMEOUT_S)

    other = threading.Thread(target=work_long)
    with first:
        other.start()
        until = time.monotonic() + TIMEOUT_S
        while not is_locked(tmp_path / "turn-door"):
            assert time.monotonic() < until
    with first:  # at once, sooner than the other one looks
        has_ended.set()
    other.join(TIMEOUT_S)
    assert given[0] == ("first", CORES)
    assert sorted(given[1:]) == [
        ("first", CORES // 2),
        ("second", CORES // 2),
    ]  # the first alone would have all


def is_locked(file: Path) -> bool:
    with file.open() as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_who_dies_in_its_turn_gives_it_up(workers: list[Worker], tmp_path: Path) -> None:
    first, second, _ = workers
    first.ask()
    assert first.cores() == CORES
    second.ask()
    assert second.waits()
    assert first.process.pid is not None
    os.kill(first.process.pid, signal.SIGKILL)
    assert second.cores() == CORES


def test_one_core_is_never_split(tmp_path: Path) -> None:
    given: list[int] = []
    with Turn(tmp_path / "turn", 1, given.append):
        pass
    assert given == [1]


def test_a_turn_ends_with_an_error(tmp_path: Path) -> None:
    turn = Turn(tmp_path / "turn", CORES, lambda _: None)
    with pytest.raises(ValueError, match="broken"), turn:
        raise ValueError("broken")
    entered = threading.Event()
    with Turn(tmp_path / "turn", CORES, lambda _: entered.set()):
        assert entered.is_set()
