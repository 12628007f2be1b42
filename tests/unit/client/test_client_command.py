"""The command line, as processes over real folders, against a real HTTP server."""

import json
import os
import pty
import re
import sqlite3
import subprocess
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from photorestore_client.command import main
from photorestore_client.ledger import NAME, Ledger, LedgerError

from tests.client_command import answer, files_below, make_picture, run, sha256, start
from tests.edge_double import CONFIDENCE, Edge, drop, refuse

JOBS = 4


@pytest.fixture
def edge() -> Iterator[Edge]:
    with Edge(answer=answer) as running:
        yield running


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


def test_how_sure_new_colours_are_goes_beside(edge: Edge, photos: Path, tmp_path: Path) -> None:
    target, beside = tmp_path / "new.png", tmp_path / "confidence.png"
    words = (photos / "a.png", "-o", target, "--confidence", beside)
    assert run(edge, *words, "--colorize", "learned").returncode == 0
    assert edge.seen[0].query == {"return": "bundle", "format": "png", "colorize": "learned"}
    assert (target.read_bytes(), beside.read_bytes()) == (answer(make_picture(0)), CONFIDENCE)
    target.unlink()
    again = run(edge, *words, "--colorize", "learned")
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    assert run(edge, *words, "--colorize", "learned", "--overwrite").returncode == 0
    earlier = run(edge, *words, "--hints", "1,1,#aabbcc", "--overwrite")  # this double tells nothing of hints
    assert "tells no confidence" in earlier.stderr
    assert earlier.returncode != 0
    same = run(
        edge, photos / "a.png", "-o", target, "--confidence", target, "--colorize", "learned", "--overwrite"
    )
    assert (same.returncode, "is another file" in same.stderr) == (2, True)
    reference = photos / "b.JPG"
    others = (
        photos / "a.png",
        "-o",
        target,
        "--overwrite",
        "--colorize",
        "exemplar",
        "--reference",
        reference,
    )
    assert run(edge, *others, "--confidence", reference).returncode == 2
    assert reference.read_bytes() == make_picture(1)


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
