"""Folders of odd files: every file is restored or named, and the exit code says which."""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from photorestore_client.plan import LeftOut, plan

from tests.client_command import answer, files_below, make_picture, run, sha256
from tests.edge_double import Edge, Handler, refuse

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


@pytest.fixture
def edge() -> Iterator[Edge]:
    with Edge(answer=answer) as running:
        yield running


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Thirty odd files in a folder, and in one below it."""
    folder = tmp_path / "odd"
    (folder / "album").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    pictures = [
        *(
            "a.png",
            "b.JPG",
            "c.txt",
            "no suffix",
            "two\nlines.png",
            "tab\t.png",
            " .png",
            "ünï.png",
            "x.heic",
        ),
        *("scan.tif", "scan.tif.jpg", "-o", "--help", "album/a.png", "a.b.c.png", "quote'\".png", "%41.png"),
        *("album/deep.jpeg", "UPPER.PNG", "wrong.gif", os.fsdecode(b"gr\xfc\xdfe.png")),
    ]
    for number, name in enumerate(pictures):
        (folder / name).write_bytes(make_picture(number))
    (folder / "phone").write_bytes(HEIC)
    (folder / "link.png").symlink_to("a.png")
    (folder / "broken.png").symlink_to("nowhere.png")
    (folder / "loop").symlink_to(".")
    (folder / "notes.txt").write_text("no picture")
    (folder / "empty").write_bytes(b"")
    (folder / ".DS_Store").write_bytes(b"no picture")
    (folder / ".hidden.png").write_bytes(make_picture(99))
    os.mkfifo(folder / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket.jpg"))
    return folder


LEFT_OUT = {
    "broken.png": "a broken link",
    "loop": "a link to a folder",
    "notes.txt": "no picture, by its first bytes and its suffix",
    "empty": "no picture, by its first bytes and its suffix",
    ".hidden": "hidden",
    ".hidden.png": "hidden",
    "pipe.jpg": "a named pipe",
    "socket.jpg": "a socket",
}


def test_every_odd_file_is_restored_or_named(edge: Edge, odd: Path, tmp_path: Path) -> None:
    done = run(edge, odd, "-o", tmp_path / "out")
    for name, why in LEFT_OUT.items():
        assert f"{odd / name} is left out: {why}\n" in done.stderr
    assert f"{odd / 'scan.tif.jpg'}: its result would be " in done.stderr
    assert done.returncode == 1, "one picture has no result"
    assert "21 restored, 1 copied, 0 skipped, 1 failed, 8 left out in " in done.stdout
    results = files_below(tmp_path / "out")
    assert len(results) == 22
    assert results["c.txt.jpg"] == answer((odd / "c.txt").read_bytes())
    assert results["phone.jpg"] == answer(HEIC)
    assert results["scan.tif.jpg"] == answer((odd / "scan.tif").read_bytes())
    assert len((done.stdout + done.stderr).splitlines()) == 22 + 1 + 8 + 1, "a line for each, and the summary"


def test_strict_runs_fail_where_anything_is_left_out(edge: Edge, odd: Path, tmp_path: Path) -> None:
    (odd / "scan.tif.jpg").unlink()
    assert run(edge, odd, "-o", tmp_path / "out").returncode == 0
    quiet = run(edge, odd, "-o", tmp_path / "out", "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    strict = run(edge, odd, "-o", tmp_path / "out", "--strict", "--quiet")
    assert (strict.returncode, strict.stdout, len(strict.stderr.splitlines())) == (1, "", 8)
    for name in LEFT_OUT:
        if name != ".hidden":
            (odd / name).unlink()
    (odd / ".hidden").rmdir()
    assert run(edge, odd, "-o", tmp_path / "out", "--strict").returncode == 0


def test_a_rehearsal_names_what_is_left_out(edge: Edge, odd: Path, tmp_path: Path) -> None:
    done = run(edge, odd, "-o", tmp_path / "out", "--dry-run")
    for name, why in LEFT_OUT.items():
        assert f"leave out {odd / name}: {why}\n" in done.stdout
    assert f"cannot restore {odd / 'scan.tif.jpg'}: " in done.stdout
    assert (done.returncode, edge.seen) == (1, [])


def test_inputs_that_are_no_files_fail(edge: Edge, odd: Path, tmp_path: Path) -> None:
    done = run(edge, odd / "a.png", odd / "pipe.jpg", "-o", tmp_path / "out")
    assert (done.returncode, "pipe.jpg: a named pipe\n" in done.stderr) == (1, True)
    assert sorted(files_below(tmp_path / "out")) == ["a.png.jpg"]


def test_folders_that_cannot_be_read_are_named_and_the_others_restored(
    odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse_one(path: Path) -> Any:
        if Path(path).name == "album":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse_one)
    found = plan([odd], tmp_path / "out", "jpeg")
    assert LeftOut(odd / "album", "cannot be read: Permission denied", has_failed=True) in found.left_out
    assert len(found.works) == 20


def folder_of(tmp_path: Path, count: int) -> Path:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(count):
        (photos / f"{number:02}.png").write_bytes(make_picture(number))
    return photos


def test_a_wrong_option_is_sent_for_a_few_pictures_only(edge: Edge, tmp_path: Path) -> None:
    edge.misbehave += [refuse(400, "unsupported-option")] * 40
    done = run(edge, folder_of(tmp_path, 40), "-o", tmp_path / "out", "--stages", "none", "--jobs", 2)
    assert done.returncode == 2
    assert "photorestore: unsupported-option: why unsupported-option" in done.stderr
    assert len(edge.seen) <= 5
    assert "pictures were not tried" in done.stderr


def test_an_option_that_one_picture_cannot_have_fails_alone(edge: Edge, tmp_path: Path) -> None:
    def refuse_the_first(handler: Handler) -> None:
        handler.problem(400, "unsupported-option")

    edge.misbehave.append(refuse_the_first)
    done = run(edge, folder_of(tmp_path, 6), "-o", tmp_path / "out", "--format", "avif", "--jobs", 1)
    assert (done.returncode, len(files_below(tmp_path / "out"))) == (1, 5)


def test_a_wrong_option_of_one_picture_is_wrong_usage(edge: Edge, tmp_path: Path) -> None:
    edge.misbehave.append(refuse(400, "unsupported-option"))
    (photo,) = folder_of(tmp_path, 1).iterdir()
    assert run(edge, photo, "-o", tmp_path / "new.jpg", "--stages", "none").returncode == 2


def pipe(edge: Edge, *arguments: object, **settings: Any) -> subprocess.CompletedProcess[bytes]:
    line = [sys.executable, "-m", "photorestore_client", *map(str, arguments), "--url", edge.url]
    return subprocess.run(line, capture_output=True, timeout=60, check=False, **settings)


def test_pictures_go_through_pipes(edge: Edge, tmp_path: Path) -> None:
    done = pipe(edge, "-", "-o", "-", input=make_picture(3))
    assert (done.returncode, done.stdout, done.stderr) == (0, answer(make_picture(3)), b"")
    assert edge.seen[0].query == {}
    into = pipe(edge, "-", "-o", tmp_path / "new.png", "--strength", 0.5, input=make_picture(4))
    assert (into.returncode, (tmp_path / "new.png").read_bytes()) == (0, answer(make_picture(4)))
    (tmp_path / "old.png").write_bytes(make_picture(5))
    out = pipe(edge, tmp_path / "old.png", "-o", "-", "--format", "webp")
    assert (out.returncode, out.stdout) == (0, answer(make_picture(5)))
    assert edge.seen[2].query == {"format": "webp"}
    assert set(edge.completed) == {sha256(make_picture(number)) for number in (3, 4, 5)}


def test_a_named_pipe_is_read_to_its_end(edge: Edge, tmp_path: Path) -> None:
    line = f"'{sys.executable}' -m photorestore_client <(cat old.png) -o new.jpg --url {edge.url}"
    (tmp_path / "old.png").write_bytes(make_picture(3))
    subprocess.run(["bash", "-c", line], cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "new.jpg").read_bytes() == answer(make_picture(3))


@pytest.mark.parametrize(
    "arguments", [["-", "a.png", "-o", "out"], ["-", "-o", "out/"], ["a.png", "b.png", "-o", "-"]]
)
def test_streams_are_for_one_picture(edge: Edge, tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "a.png").write_bytes(make_picture(0))
    done = pipe(edge, *arguments, cwd=tmp_path, input=b"")
    assert (done.returncode, b"stands for one picture" in done.stderr) == (2, True)
