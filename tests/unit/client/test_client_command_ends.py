"""Runs of the command line that are killed or told to stop."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from signal import Signals

import pytest

from tests.client_command import (
    answer,
    entries,
    files_below,
    has_completed,
    make_picture,
    run,
    sha256,
    start,
    wait_until,
)
from tests.edge_double import Edge

JOBS = 4


@pytest.fixture
def edge() -> Iterator[Edge]:
    with Edge(answer=answer) as running:
        yield running


def test_killed_twice_and_every_picture_has_one_result(edge: Edge, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    for number in range(40):
        folder = photos / f"album {number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:02}.png").write_bytes(make_picture(number))
    edge.delay_s = 0.03
    killed: list[tuple[set[str], dict[str, int]]] = []
    for goal in (8, 22):
        process = start(edge, photos, "-o", out, "--jobs", JOBS, stdout=subprocess.DEVNULL)
        wait_until(partial(has_completed, edge, goal))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        wait_until(lambda: edge.in_flight == 0)
        entered, counts = set(entries(out).values()), dict(edge.completed)
        assert len(entered) >= goal - 2 * JOBS
        killed.append((entered, counts))
    done = run(edge, photos, "-o", out, "--jobs", JOBS)
    assert done.returncode == 0, done.stderr

    sources = files_below(photos)
    assert files_below(out) == {f"{name}.jpg": answer(content) for name, content in sources.items()}
    assert entries(out) == {f"{name}.jpg": sha256(content) for name, content in sources.items()}
    assert set(edge.completed) == {sha256(content) for content in sources.values()}
    for entered, counts in killed:  # what was entered has not been asked for again
        assert {key: edge.completed[key] for key in entered} == {key: counts[key] for key in entered}
    assert edge.completed.total() - 40 <= 2 * JOBS  # what was in flight has been, at most
    asked = len(edge.seen)
    assert "40 skipped" in run(edge, photos, "-o", out).stdout
    assert len(edge.seen) == asked


CRASHES = {
    "in the middle of the file": (
        "import pathlib; o = results.os.fsync; results.os.fsync = lambda fd: os._exit(9)",
        2,
    ),
    "before the entry": ("ledger.Ledger._add = lambda *_: os._exit(9)", 2),
    "before the rename": ("ledger.Path.replace = lambda *_: os._exit(9)", 1),
    "after the rename": ("bulk.count_pixels = lambda *_: os._exit(9)", 1),
}


"""Where a process dies, and how many times the service is asked for the picture then."""


@pytest.mark.parametrize("where", CRASHES)
def test_killed_at_each_step_of_writing(edge: Edge, tmp_path: Path, where: str) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    (photos / "a.png").write_bytes(make_picture(5))
    crash, requests = CRASHES[where]
    code = (
        "import os, sys; from photorestore_client import bulk, command, ledger, results\n"
        f"{crash}\nsys.exit(command.main(sys.argv[1:]))"
    )
    line = [sys.executable, "-c", code, str(photos), "-o", str(out), "--url", edge.url]
    assert subprocess.run(line, check=False, timeout=60).returncode == 9
    done = run(edge, photos, "-o", out)
    assert done.returncode == 0, done.stderr
    assert edge.completed == {sha256(make_picture(5)): requests}
    assert files_below(out) == {"a.png.jpg": answer(make_picture(5))}


def test_killed_while_replacing_a_result_of_other_options(edge: Edge, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(edge, photos, "-o", out)
    code = (
        "import os, sys; from photorestore_client import command, ledger\n"
        "ledger.Path.replace = lambda *_: os._exit(9)\nsys.exit(command.main(sys.argv[1:]))"
    )
    edge.answer = lambda body: answer(body + b"!")  # of the same size as before
    line = [sys.executable, "-c", code, str(photos), "-o", str(out), "--url", edge.url, "--strength", "0.5"]
    assert subprocess.run([*line, "--jobs", "1"], check=False, timeout=60).returncode == 9
    assert run(edge, photos, "-o", out, "--strength", 0.5).returncode == 0
    assert len(edge.seen) == 6
    assert files_below(out)["a.png.jpg"] == answer(make_picture(0) + b"!")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_lets_what_is_in_flight_finish(edge: Edge, tmp_path: Path, number: Signals) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for index in range(30):
        (photos / f"{index:02}.png").write_bytes(make_picture(index))
    edge.delay_s = 0.1
    process = start(edge, photos, "-o", out, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: edge.completed.total() >= 5)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "finishing the pictures in flight" in said
    assert "pictures were not tried" in said
    assert 5 <= len(files_below(out)) == edge.completed.total() < 30
    assert run(edge, photos, "-o", out).returncode == 0
    assert sorted(edge.completed.values()) == [1] * 30
