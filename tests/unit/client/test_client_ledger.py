"""The ledger of a folder of results: each entry stands for one whole file."""

import os
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from photorestore_client.ledger import NAME, CannotWriteError, Key, Ledger, LedgerError

KEY, OTHER = Key("a" * 64, '{"format": "png"}'), Key("b" * 64, '{"format": "png"}')
PATH = Path("album/a.png")


def test_what_is_written_is_found_by_its_place_and_by_what_it_was_made_of(tmp_path: Path) -> None:
    with Ledger(tmp_path / "out") as ledger:
        assert ledger.at(PATH) is ledger.find(KEY) is None
        ledger.write(PATH, KEY, b"picture", "label")
        assert ledger.at(PATH) == ledger.find(KEY)
        entry = ledger.at(PATH)
        assert entry is not None
        assert (entry.path, entry.key, entry.size_bytes, entry.request_id) == (PATH, KEY, 7, "label")
        assert ledger.find(OTHER) is None
        assert ledger.find(Key(KEY.content, "{}")) is None
    assert (tmp_path / "out" / PATH).read_bytes() == b"picture"
    assert sorted(file.name for file in (tmp_path / "out").rglob("*")) == [NAME, "a.png", "album"]


def test_an_entry_whose_file_is_gone_or_has_another_size_counts_for_nothing(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        for name in ("one.png", "two.png"):
            ledger.write(Path(name), KEY, b"picture", "label")
        (tmp_path / "one.png").write_bytes(b"changed it")
        assert ledger.at(Path("one.png")) is None
        found = ledger.find(KEY)
        assert found is not None
        assert found.path == Path("two.png"), "the twin is still there"
        (tmp_path / "two.png").unlink()
        assert ledger.at(Path("two.png")) is ledger.find(KEY) is None


def test_a_result_is_replaced_with_its_entry(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.write(PATH, KEY, b"picture", "first")
        ledger.write(PATH, OTHER, b"other picture", "second")
        entry = ledger.at(PATH)
        assert entry is not None
        assert (entry.key, entry.request_id) == (OTHER, "second")
        assert ledger.find(KEY) is None


def test_names_that_are_no_text_are_kept(tmp_path: Path) -> None:
    path = Path(os.fsdecode(b"gro\xdfmutter.png"))
    with Ledger(tmp_path) as ledger:
        ledger.write(path, KEY, b"picture", "label")
    with Ledger(tmp_path) as ledger:
        entry = ledger.at(path)
        assert entry is not None
        assert entry.path == path


def interrupted(folder: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a result in a process that is killed at a step."""
    with Ledger(folder) as ledger, monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(*((Path, "replace", die) if step == "before the rename" else (Ledger, "_add", die)))
        ledger.write(PATH, KEY, b"picture", "label")


@pytest.mark.parametrize(("step", "is_there"), [("before the entry", False), ("before the rename", True)])
def test_what_was_interrupted_is_finished_or_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, is_there: bool
) -> None:
    interrupted(tmp_path, step, monkeypatch)
    assert len(list((tmp_path / "album").iterdir())) == 1
    with Ledger(tmp_path) as ledger:
        assert ledger.at(PATH) is None
        ledger.recover()
        assert (ledger.at(PATH) is not None) == (tmp_path / PATH).exists() == is_there
    assert len(list((tmp_path / "album").iterdir())) == is_there
    if is_there:
        assert (tmp_path / PATH).read_bytes() == b"picture"


def test_a_part_that_was_moved_to_another_folder_is_not_taken_for_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(tmp_path, "before the rename", monkeypatch)
    (part,) = (tmp_path / "album").iterdir()
    part.rename(tmp_path / part.name)
    with Ledger(tmp_path) as ledger:
        ledger.recover()
        assert ledger.at(PATH) is None
    assert list(tmp_path.rglob("*.part")) == []


def test_a_folder_has_one_writer_at_a_time(tmp_path: Path) -> None:
    with Ledger(tmp_path), pytest.raises(LedgerError, match="locked"):
        Ledger(tmp_path)
    Ledger(tmp_path).close()


def test_to_look_needs_no_folder_and_makes_none(tmp_path: Path) -> None:
    with Ledger(tmp_path / "none", read_only=True) as ledger:
        assert ledger.at(PATH) is ledger.find(KEY) is None
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_made_or_written_to_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotWriteError, match="file"):
        Ledger(tmp_path / "file" / "out")
    with Ledger(tmp_path) as ledger, pytest.raises(CannotWriteError, match="file"):
        ledger.write(Path("file/a.png"), KEY, b"picture", "label")


def test_a_part_that_cannot_be_taken_away_is_said(tmp_path: Path) -> None:
    (tmp_path / ".photorestore-x.part" / "below").mkdir(parents=True)
    with Ledger(tmp_path) as ledger, pytest.raises(CannotWriteError, match=r"photorestore-x\.part"):
        ledger.recover()


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\0" + bytes(84) + b"x" * 4000])
def test_a_file_that_is_no_ledger_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(LedgerError, match=r"\.photorestore\.sqlite"):
        Ledger(tmp_path)


def test_a_ledger_that_is_damaged_inside_is_said_wherever_it_is_noticed(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        for number in range(200):
            ledger.write(Path(f"{number}.png"), Key(f"{number:064}", "{}"), b"picture", "label")
    file = tmp_path / NAME
    with sqlite3.connect(file) as connection:
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    content = bytearray(file.read_bytes())
    content[2 * page_bytes :] = b"\xff" * (len(content) - 2 * page_bytes)
    file.write_bytes(content)
    (tmp_path / ".photorestore-x.part").touch()
    with Ledger(tmp_path) as ledger:
        looks: list[Callable[[], object]] = [
            partial(ledger.at, Path("7.png")),
            partial(ledger.find, Key(f"{7:064}", "{}")),
            ledger.recover,
        ]
        for look in looks:
            with pytest.raises(LedgerError, match=r"\.photorestore\.sqlite: .*malformed"):
                look()
