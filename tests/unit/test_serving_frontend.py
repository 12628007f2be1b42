import os
import threading
import time
from pathlib import Path

import pytest

from photorestore.serving.frontend import APART_S, FrontEnd


@pytest.fixture
def tasks(tmp_path) -> Path:
    folder = tmp_path / str(os.getppid()) / "task"
    for number, name in enumerate(("java", "wf-execute-thre", "W-9000-restore_")):
        (folder / str(number)).mkdir(parents=True)
        (folder / str(number) / "stat").write_text(f"{number} ({name}) S 1 2 3")
    return folder


def seconds_waited(proc: Path, limit_s: float) -> float:
    front_end = FrontEnd(proc)
    start = time.monotonic()
    front_end.wait_until_listening(front_end.look(), limit_s)
    return time.monotonic() - start


def collector_switched(tasks: Path, times: int, state: str = "S") -> None:
    folder = tasks / "3"
    folder.mkdir(exist_ok=True)
    (folder / "stat").write_text(f"3 (VM Thread) {state} 1 2 3")
    (folder / "status").write_text(
        f"Name:\tVM Thread\nvoluntary_ctxt_switches:\t{times}\nnonvoluntary_ctxt_switches:\t1\n"
    )


def test_threads_that_sleep_are_listening(tasks):
    (tasks / "0" / "stat").write_text("0 (java) R 1 2 3")
    assert seconds_waited(tasks.parents[1], 60) < 30


@pytest.mark.parametrize("state", ["R", "D"])
def test_running_thread_is_waited_for(tasks, state):
    stat = tasks / "1" / "stat"
    stat.write_text(f"1 (wf-execute-thre) {state} 1 2 3")
    timer = threading.Timer(0.05, stat.write_text, ["1 (wf-execute-thre) S 1 2 3"])
    timer.start()
    assert 0.04 < seconds_waited(tasks.parents[1], 60) < 30
    timer.join()


def test_waiting_ends(tasks):
    (tasks / "1" / "stat").write_text("1 (wf-execute-thre) R 1 2 3")
    assert seconds_waited(tasks.parents[1], 0.05) >= 0.05


def test_collector_at_work_is_waited_for(tasks):
    collector_switched(tasks, 1, "R")
    assert seconds_waited(tasks.parents[1], 0.05) >= 0.05
    collector_switched(tasks, 2)
    assert seconds_waited(tasks.parents[1], 60) < 30


def test_collector_that_naps_is_waited_for(tasks):
    """Threads that it has stopped sleep, too, wherever they are."""
    collector_switched(tasks, 1)
    front_end = FrontEnd(tasks.parents[1])
    start = time.monotonic()
    first = front_end.look()
    collector_switched(tasks, 2)
    front_end.wait_until_listening(first, 60)
    assert time.monotonic() - start >= 2 * APART_S


def test_time_since_the_first_look_is_not_waited_again(tasks, monkeypatch):
    monkeypatch.setattr("photorestore.serving.frontend.APART_S", 0.2)
    front_end = FrontEnd(tasks.parents[1])
    first = front_end.look()
    time.sleep(0.2)
    start = time.monotonic()
    front_end.wait_until_listening(first)
    assert time.monotonic() - start < 0.15


def test_without_such_a_process_there_is_nothing_to_wait_for(tmp_path):
    assert seconds_waited(tmp_path, 60) < 30


def test_threads_with_other_names_are_not_looked_at_again(tasks, monkeypatch):
    monkeypatch.setattr("photorestore.serving.frontend.SETTLED_S", 0.02)
    front_end = FrontEnd(tasks.parents[1])
    front_end.wait_until_listening(front_end.look(), 60)
    time.sleep(0.03)
    front_end.wait_until_listening(front_end.look(), 60)
    (tasks / "2" / "stat").write_text("2 (wf-execute-thre) R 1 2 3")
    start = time.monotonic()
    front_end.wait_until_listening(front_end.look(), 60)
    assert time.monotonic() - start < 30


def test_thread_that_gets_its_name_late_is_found(tasks):
    front_end = FrontEnd(tasks.parents[1])
    front_end.wait_until_listening(front_end.look(), 60)
    (tasks / "2" / "stat").write_text("2 (wf-execute-thre) R 1 2 3")
    start = time.monotonic()
    front_end.wait_until_listening(front_end.look(), 0.05)
    assert time.monotonic() - start >= 0.05


@pytest.mark.parametrize(("runs", "is_looked_at"), [("500 3 7\n", False), ("0 0 0\n", True)])
def test_thread_that_has_not_run_since_it_listened_is_not_looked_at(tasks, runs, is_looked_at):
    (tasks / "1" / "schedstat").write_text(runs)
    front_end = FrontEnd(tasks.parents[1])
    front_end.wait_until_listening(front_end.look(), 60)
    (tasks / "1" / "stat").write_text("1 (wf-execute-thre) R 1 2 3")
    assert bool(front_end.look().workflow) == is_looked_at
    (tasks / "1" / "schedstat").write_text("600 3 8\n")
    first = front_end.look()
    assert first.workflow
    start = time.monotonic()
    front_end.wait_until_listening(first, 0.05)
    assert time.monotonic() - start >= 0.05


def test_thread_that_was_not_seen_listening_is_looked_at_again(tasks):
    (tasks / "1" / "stat").write_text("1 (wf-execute-thre) R 1 2 3")
    (tasks / "1" / "schedstat").write_text("500 3 7\n")
    front_end = FrontEnd(tasks.parents[1])
    front_end.wait_until_listening(front_end.look(), 0.01)
    assert front_end.look().workflow


def test_a_look_back_after_a_long_time_is_at_other_threads(tasks, monkeypatch):
    (tasks / "1" / "schedstat").write_text("500 3 7\n")
    front_end = FrontEnd(tasks.parents[1])
    front_end.wait_until_listening(front_end.look(), 60)
    monkeypatch.setattr("photorestore.serving.frontend.REUSED_S", 0.0)
    assert front_end.look().workflow


def test_thread_that_has_run_between_two_looks_is_looked_at_again(tasks):
    (tasks / "1" / "schedstat").write_text("500 3 7\n")
    front_end = FrontEnd(tasks.parents[1])
    first = front_end.look()
    (tasks / "1" / "schedstat").write_text("600 3 8\n")
    front_end.wait_until_listening(first, 60)
    second = front_end.look()
    assert second.workflow
    front_end.wait_until_listening(second, 60)
    assert not front_end.look().workflow
