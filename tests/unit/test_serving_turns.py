"""Processes that compute one after the other."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

from photorestore.serving.turns import Turn


def compute(file: Path, log: Path) -> None:
    turn = Turn(file)
    for _ in range(5):
        with turn, log.open("a") as lines:
            lines.write("in\n")
            lines.flush()
            time.sleep(0.01)
            lines.write("out\n")


def hold(file: Path, is_held: "multiprocessing.synchronize.Event") -> None:
    with Turn(file):
        is_held.set()
        time.sleep(60)


def test_one_process_computes_at_a_time(tmp_path: Path) -> None:
    processes = [
        multiprocessing.get_context("spawn").Process(
            target=compute, args=(tmp_path / "turn", tmp_path / "log")
        )
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    assert (tmp_path / "log").read_text().split() == ["in", "out"] * 10


def test_who_dies_in_its_turn_gives_it_up(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    is_held = context.Event()
    process = context.Process(target=hold, args=(tmp_path / "turn", is_held))
    process.start()
    assert is_held.wait(30)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    with Turn(tmp_path / "turn"):
        pass
