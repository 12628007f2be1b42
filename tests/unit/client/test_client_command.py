"""The command line, as processes over real folders, against a real HTTP server."""

import hashlib
import io
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from signal import Signals
from typing import Any

import pytest
from photorestore_client.command import main
from photorestore_client.ledger import NAME, Ledger, LedgerError
from photorestore_client.plan import plan
from PIL import Image

from tests.edge_double import Edge, drop, refuse

JOBS = 4


def make_picture(number: int) -> bytes:
    """A tiny PNG, another one for each number."""
    file = io.BytesIO()
    Image.new("RGB", (8, 6), (number % 256, number // 256, 77)).save(file, "png")
    return file.getvalue()


def answer(body: bytes) -> bytes:
    """A JPEG of 20x10 px that names what it was made of."""
    file = io.BytesIO()
    Image.new("RGB", (20, 10)).save(file, "jpeg", comment=hashlib.sha256(body).hexdigest())
    return file.getvalue()


@pytest.fixture
def edge() -> Iterator[Edge]:
    with Edge(answer=answer) as running:
        yield running


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three pictures, one below, and what is no picture."""
    folder = tmp_path / "photos"
    (folder / "album" / ".hidden").mkdir(parents=True)
    for number, name in enumerate(["a.png", "b.JPG", "album/a.png"]):
        (folder / name).write_bytes(make_picture(number))
    for name in ["notes.txt", ".d.png", "album/.hidden/e.png"]:
        (folder / name).write_bytes(b"none")
    return folder


def run(edge: Edge, *arguments: object, **settings: Any) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "photorestore_client", *map(str, arguments), "--url", edge.url]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, **settings)


def start(edge: Edge, *arguments: object, **settings: Any) -> subprocess.Popen[Any]:
    line = [sys.executable, "-m", "photorestore_client", *map(str, arguments), "--url", edge.url]
    return subprocess.Popen(line, **settings)


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith(NAME)
    }


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def entries(folder: Path) -> dict[str, str]:
    """SHA-256 of the sources by path, from the ledger."""
    with Ledger(folder, read_only=True) as ledger:
        return {os.fsdecode(row[0]): row[1] for row in ledger._rows("1")}


def has_completed(edge: Edge, goal: int) -> bool:
    return edge.completed.total() >= goal


def wait_until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_one_file(edge: Edge, photos: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.webp"
    strength = "face:0,denoise:0.5"
    assert (
        run(edge, photos / "a.png", "-o", target, "--strength", strength, "--stages", "denoise").returncode
        == 0
    )
    assert edge.seen[0].query == {"format": "webp", "strength": "denoise:0.5,face:0.0", "stages": "denoise"}
    assert target.read_bytes() == answer(make_picture(0))
    again = run(edge, photos / "a.png", "-o", target)
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    assert run(edge, photos / "a.png", "-o", target, "--overwrite").returncode == 0
    assert run(edge, photos / "a.png", "-o", photos / "a.png", "--overwrite").returncode == 2
    assert (photos / "a.png").read_bytes() == make_picture(0)


def test_mask_of_one_file(edge: Edge, photos: Path, tmp_path: Path) -> None:
    mask = photos / "b.JPG"
    assert run(edge, photos / "a.png", "-o", tmp_path / "new.png", "--mask", mask).returncode == 0
    assert edge.seen[0].parts() == {"image": make_picture(0), "mask": make_picture(1)}


def test_folder_keeps_its_structure_and_each_result_the_name(
    edge: Edge, photos: Path, tmp_path: Path
) -> None:
    done = run(edge, photos, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert files_below(tmp_path / "out") == {
        "a.png.jpg": answer(make_picture(0)),
        "b.JPG": answer(make_picture(1)),
        "album/a.png.jpg": answer(make_picture(2)),
    }
    assert "3/3 restored" in done.stdout
    assert "3 restored, 0 copied, 0 skipped, 0 failed" in done.stdout
    assert "megapixels/s" in done.stdout


def test_many_inputs_and_png_results(edge: Edge, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(edge, photos / "a.png", photos / "album", "-o", out, "--format", "png").returncode == 0
    assert sorted(files_below(out)) == ["a.png", "album/a.png"]


def test_second_run_asks_for_nothing(edge: Edge, photos: Path, tmp_path: Path) -> None:
    run(edge, photos, "-o", tmp_path / "out")
    done = run(edge, photos, "-o", tmp_path / "out", "--timeout", 9)  # changes no pixel
    assert (done.returncode, len(edge.seen)) == (0, 3)
    assert "3 skipped" in done.stdout


def test_what_has_changed_is_restored_again(edge: Edge, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(edge, photos, "-o", out)
    (photos / "a.png").write_bytes(make_picture(9))  # another source
    (out / "b.JPG").unlink()  # a lost result
    assert "2 restored, 0 copied, 1 skipped" in run(edge, photos, "-o", out).stdout
    assert (out / "a.png.jpg").read_bytes() == answer(make_picture(9))
    assert "3 restored" in run(edge, photos, "-o", out, "--strength", 0.5).stdout  # other options


def test_the_same_picture_under_two_names_is_restored_once(edge: Edge, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in "abcdefgh":
        (photos / f"{name}.png").write_bytes(make_picture(1))
    edge.delay_s = 0.1
    done = run(edge, photos, "-o", tmp_path / "out", "--jobs", 8)
    assert "1 restored, 7 copied" in done.stdout
    assert list(edge.completed.values()) == [1]
    assert set(files_below(tmp_path / "out").values()) == {answer(make_picture(1))}


def test_dry_run_writes_nothing_and_asks_for_nothing(edge: Edge, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(edge, photos, "-o", out, "--dry-run")
    assert done.returncode == 0
    assert f"restore {photos / 'a.png'} -> {out / 'a.png.jpg'}" in done.stdout
    assert (edge.seen, out.exists()) == ([], False)
    run(edge, photos, "-o", out)
    assert run(edge, photos, "-o", out, "--dry-run").stdout.count("skip ") == 3


def test_files_of_others_and_sources_are_never_replaced(edge: Edge, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png.jpg").write_bytes(b"mine")
    done = run(edge, photos, "-o", out)
    assert (done.returncode, "was not made here" in done.stderr) == (1, True)
    assert (out / "a.png.jpg").read_bytes() == b"mine"
    assert len(edge.seen) == 2
    assert run(edge, photos, "-o", out, "--overwrite").returncode == 0
    assert (out / "a.png.jpg").read_bytes() == answer(make_picture(0))
    before = files_below(photos)
    assert run(edge, photos, "-o", photos, "--format", "png", "--overwrite").returncode == 2
    assert files_below(photos) == before


def test_results_inside_the_folder_of_sources_are_no_sources(edge: Edge, photos: Path) -> None:
    run(edge, photos, "-o", photos / "restored")
    assert "3 skipped" in run(edge, photos, "-o", photos / "restored").stdout


def test_two_pictures_with_one_result_are_refused(tmp_path: Path) -> None:
    for name in ["a.png", "a.png.jpg"]:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match="would both become"):
        plan([tmp_path], tmp_path / "out", "jpeg")


def test_a_bad_picture_fails_alone_and_its_label_is_shown(edge: Edge, photos: Path, tmp_path: Path) -> None:
    edge.misbehave += [refuse(422, "truncated-image")]
    done = run(edge, photos, "-o", tmp_path / "out", "--jobs", 1)
    assert done.returncode == 1
    label = edge.seen[0].headers["X-Request-Id"]
    assert f"a.png: truncated-image: why truncated-image (request {label})" in done.stderr
    assert "2 restored, 0 copied, 0 skipped, 1 failed" in done.stdout
    assert run(edge, photos, "-o", tmp_path / "out").returncode == 0


def test_transient_trouble_is_not_seen(edge: Edge, photos: Path, tmp_path: Path) -> None:
    edge.misbehave += [drop, refuse(429, "busy", Retry_After="0"), refuse(503, "out-of-space"), drop]
    assert run(edge, photos, "-o", tmp_path / "out").returncode == 0
    assert sorted(edge.completed.values()) == [1, 1, 1]


def test_a_refused_key_ends_the_run(edge: Edge, photos: Path, tmp_path: Path) -> None:
    edge.misbehave += [refuse(401, "unauthorized")] * 3
    (tmp_path / "key").write_text("wrong\n")
    arguments = [photos, "-o", tmp_path / "out", "--jobs", 1, "--api-key-file", tmp_path / "key"]
    done = run(edge, *arguments)
    assert (done.returncode, len(edge.seen)) == (3, 1)
    assert edge.seen[0].headers["Authorization"] == "Bearer wrong"
    assert "2 pictures were not tried" in done.stderr


def test_no_service(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = [str(photos / "a.png"), "-o", str(tmp_path / "new.png")]
    assert main([*line, "--url", "http://127.0.0.1:9", "--patience", "0.3"]) == 3
    assert "a.png" in capsys.readouterr().err
    assert not (tmp_path / "new.png").exists()


def test_a_service_that_is_gone_ends_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(20):
        (tmp_path / f"{number:02}.png").write_bytes(make_picture(number))
    line = [str(tmp_path), "-o", str(tmp_path / "out"), "--jobs", "2", "--patience", "0.2"]
    assert main([*line, "--url", "http://127.0.0.1:9"]) == 3
    left = re.search(r"(\d+) pictures were not tried", capsys.readouterr().err)
    assert left is not None
    assert 13 <= int(left[1]) <= 15  # one more may have begun meanwhile


def test_results_that_cannot_be_written_end_the_run(
    edge: Edge, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "album").write_text("a file where a folder should be")
    assert main([str(photos), "-o", str(tmp_path / "out"), "--url", edge.url, "--jobs", "1"]) == 4
    assert "album" in capsys.readouterr().err
    assert main([str(photos), "-o", str(tmp_path / "out/album/x/"), "--url", edge.url]) == 4


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["photo.png"],
        ["none.png", "-o", "out/"],
        ["photo.png", "-o", "new.xyz"],
        ["photo.png", "-o", "out/", "--mask", "mask.png"],
        ["photo.png", "-o", "out/", "--jobs", "0"],
        ["photo.png", "-o", "out/", "--url", "nowhere"],
        ["photo.png", "--watch-throughput"],
    ],
)
def test_wrong_usage(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.png").write_bytes(make_picture(0))
    code: object
    try:
        code = main(arguments)
    except SystemExit as left:
        code = left.code
    assert code == 2
    assert capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("photorestore 0.")


def test_a_folder_has_one_run_at_a_time(edge: Edge, photos: Path, tmp_path: Path) -> None:
    with Ledger(tmp_path / "out"):
        done = run(edge, photos, "-o", tmp_path / "out")
        with pytest.raises(LedgerError):
            Ledger(tmp_path / "out")
    assert (done.returncode, "locked" in done.stderr, edge.seen) == (2, True, [])


def test_broken_ledger_is_reported(edge: Edge, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / NAME).write_bytes(b"no database" * 1000)
    done = run(edge, photos, "-o", tmp_path / "out")
    assert (done.returncode, NAME in done.stderr) == (2, True)


def test_bar_on_a_terminal(edge: Edge, photos: Path, tmp_path: Path) -> None:
    edge.misbehave += [refuse(422, "truncated-image")]
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 120))
    shown = bytearray()

    def read() -> None:
        try:
            while chunk := os.read(ours, 4096):
                shown.extend(chunk)
        except OSError:  # the other side is closed
            pass

    process = start(edge, photos, "-o", tmp_path / "out", stderr=its, stdout=subprocess.PIPE)
    os.close(its)
    reader = threading.Thread(target=read)
    reader.start()
    summary = process.communicate(timeout=60)[0].decode()
    reader.join()
    os.close(ours)
    text = shown.decode()
    assert process.returncode == 1
    assert "3/3" in text
    assert "megapixels/s, 1 errors" in text
    assert "truncated-image" in text
    assert summary.startswith("2 restored")  # no line for each picture beside a bar


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


def test_names_that_are_no_text(edge: Edge, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    name = os.fsdecode(b"gr\xfc\xdfe.png")  # Latin-1
    (photos / name).write_bytes(make_picture(0))
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    assert "1/1 restored" in run(edge, photos, "-o", tmp_path / "out", env=strict).stdout
    assert "1 skipped" in run(edge, photos, "-o", tmp_path / "out").stdout
    assert (tmp_path / "out" / f"{name}.jpg").exists()


def test_ledger_says_what_it_is(edge: Edge, photos: Path, tmp_path: Path) -> None:
    run(edge, photos, "-o", tmp_path / "out", "--strength", 0.5, "--stages", "denoise")
    with sqlite3.connect(tmp_path / "out" / NAME) as connection:
        rows = connection.execute(
            "SELECT path, content, options, size_bytes, request_id FROM results"
        ).fetchall()
    connection.close()
    path, content, options, size_bytes, request_id = rows[0]
    assert (path, content) == (b"a.png.jpg", sha256(make_picture(0)))
    assert json.loads(options) == {"format": "jpeg", "stages": ["denoise"], "strength": 0.5}
    assert size_bytes == len(answer(make_picture(0)))
    assert request_id in {seen.headers["X-Request-Id"] for seen in edge.seen}
