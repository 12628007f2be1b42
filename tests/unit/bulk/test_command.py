import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from photorestore_bulk import command
from photorestore_bulk.command import CANNOT, DONE, SOME_FAILED, USAGE, Todo, count, left, main
from photorestore_bulk.estimate import SAMPLE, Estimate, estimate
from photorestore_bulk.plan import Item
from photorestore_bulk.progress import Progress, duration
from photorestore_bulk.restorer import Order
from tests.bulk import load_quickly


def item(number: int, size_bytes: int = 10) -> Item:
    return Item(f"{number}.jpg", f"{number}.jpg", "{}", size_bytes, number)


def row(problem: str = "", *, ago_s: float = 1.0) -> dict[str, object]:
    told = {"key": "a\n.jpg", "detail": "it is so", "source_bytes": 10, "pixels": 2_000_000}
    return {**told, "problem": problem, "ago_s": ago_s}


def test_what_is_done_is_left_out() -> None:
    done = np.array([0, 2, 9], np.uint64)
    assert [entry.work for entry in left(map(item, range(5)), done)] == [1, 3, 4]


def test_what_is_to_be_done_is_counted_and_sampled() -> None:
    todo = count(map(item, range(1000)), np.arange(10, dtype=np.uint64))
    assert (todo.count, todo.size_bytes, todo.done) == (990, 9900, 10)
    works = [entry.work for entry in todo.sample]
    assert len(set(works)) == SAMPLE
    assert min(works) >= 10
    assert max(works) > 100


def test_an_estimate_scales_a_sample_by_its_bytes(photos: Path) -> None:
    for number in range(2):
        (photos / f"{number}.jpg").write_bytes(b"0123456789")
    order = Order(str(photos), str(photos.parent / "out"), load=load_quickly)
    found = estimate([item(0), item(1), item(2)], 2000, order)
    assert found is not None
    assert found.megapixels == pytest.approx(2 * 12e-6 * 100)
    assert estimate([item(2)], 2000, order) is None


def test_progress_tells_rate_problems_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("photorestore_bulk.progress.time.monotonic", lambda: now[0])
    progress = Progress(10, 100)
    now[0] += 5
    assert progress.line(now[0]) == "0/10 pictures, for 5 s"
    for problem in ("", "corrupt-image", ""):
        now[0] += 2
        progress.add(row(problem, ago_s=2.0))
    assert capsys.readouterr().err == "a\\n.jpg: corrupt-image: it is so\n"
    assert progress.line(now[0]) == "3/10 pictures, 0.67 megapixels/s, 1 problems, 14 s left"
    progress.end()
    assert capsys.readouterr().out == "2 restored, 1 problems in 11 s, 0.67 megapixels/s\n"


def test_lines_come_while_no_picture_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photorestore_bulk.progress.EVERY_S", 0.01)
    out = io.StringIO()
    with Progress(10, 100, out=out), Progress(10, 100, quiet=True, out=(silent := io.StringIO())):
        until = time.monotonic() + 60
        while out.getvalue().count("\n") < 3 and time.monotonic() < until:
            time.sleep(0.01)
    assert out.getvalue().startswith("0/10 pictures, for 0 s\n" * 3)
    assert silent.getvalue() == ""


@pytest.mark.parametrize(("seconds", "text"), [(3, "3 s"), (600, "10 min"), (36_000, "10.0 h")])
def test_lengths_of_time_are_told_in_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Todo | None]:
    """What would have been run."""
    seen: list[Todo] = []

    def run(_given: object, _items: object, todo: Todo, _order: object) -> int:
        seen.append(todo)
        return SOME_FAILED

    monkeypatch.setattr(command, "_run", run)
    return lambda: seen.pop() if seen else None


def test_pictures_are_counted_and_run(photos: Path, ran: Callable[[], Todo | None]) -> None:
    (photos / "a.jpg").write_bytes(b"12")
    assert main([str(photos), "-o", str(photos / "out")]) == SOME_FAILED
    todo = ran()
    assert todo is not None
    assert (todo.count, todo.size_bytes) == (1, 2)


def test_a_manifest_is_read_wherever_it_lies(
    photos: Path, ran: Callable[[], Todo | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "keys.csv").write_text("key\nx.bin\ny.bin\n")
    monkeypatch.chdir(photos)
    for manifest in ("keys.csv", str(photos / "keys.csv")):
        assert main([str(photos), "-o", str(photos / "out"), "--manifest", manifest]) == SOME_FAILED
        todo = ran()
        assert todo is not None
        assert todo.count == 2


def test_nothing_to_do_is_said_and_nothing_is_started(
    photos: Path, ran: Callable[[], Todo | None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(photos), "-o", str(photos / "out")]) == DONE
    assert ran() is None
    assert capsys.readouterr().out == "0 pictures to restore, 0.0 MB; 0 are done\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--option", "scale=3"], USAGE, "scale is 3"),
        (["--option", "timeout=.1"], USAGE, "timeout_s"),
        (["--option", "scale"], USAGE, "NAME=VALUE, not scale"),
        (["--manifest", "none.csv"], CANNOT, "none.csv"),
    ],
)
def test_wrong_usage_is_told(
    photos: Path, arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "a.jpg").write_bytes(b"12")
    assert main([str(photos), "-o", str(photos / "out"), *arguments]) == code
    assert said in capsys.readouterr().err


def test_results_need_a_folder_of_their_own(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(photos), "-o", f"{photos}/"]) == USAGE
    assert "a folder of their own" in capsys.readouterr().err


def test_a_dry_run_estimates(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "a.jpg").write_bytes(b"12")
    for found, said in ((Estimate(6.0, 12.0), "6.0 megapixels, 0.50 a second"), (None, "cannot be told")):
        monkeypatch.setattr(command, "estimate", lambda *_, found=found: found)
        assert main([str(photos), "-o", str(photos / "out"), "-n", "--actors", "3"]) == DONE
        assert said in capsys.readouterr().out
    assert not (photos / "out").exists()
