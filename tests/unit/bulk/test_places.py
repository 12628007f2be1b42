from pathlib import Path

import pytest

from photorestore_bulk.places import LEDGER, Place


def keys(place: Place) -> list[str]:
    return [found.key for found in place.files()]


def test_files_of_a_folder_are_found_in_the_order_of_their_names(photos: Path) -> None:
    for name in ("b.jpg", "a/c.jpg", "a/b/d.jpg", "z/e.jpg"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(b"12")
    place = Place.of(str(photos))
    assert keys(place) == ["b.jpg", "a/c.jpg", "a/b/d.jpg", "z/e.jpg"]
    assert {found.size_bytes for found in place.files()} == {2}


def test_hidden_files_links_to_folders_and_ledgers_are_left_out(photos: Path) -> None:
    for name in (".hidden.jpg", ".folder/a.jpg", f"{LEDGER}/rows.parquet", "real/a.jpg"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(b"")
    (photos / "real/loop").symlink_to(photos)
    assert keys(Place.of(str(photos))) == ["real/a.jpg"]


def test_a_folder_may_be_passed_over(photos: Path) -> None:
    for name in ("in/a.jpg", "out/a.jpg"):
        (photos / name).parent.mkdir()
        (photos / name).write_bytes(b"")
    assert [found.key for found in Place.of(str(photos)).files(but=str(photos / "out"))] == ["in/a.jpg"]


def test_a_folder_that_is_not_there_has_no_files(photos: Path) -> None:
    assert keys(Place.of(str(photos / "none"))) == []


def test_a_file_that_changes_has_another_version(photos: Path) -> None:
    place = Place.of(str(photos))
    place.write("a.jpg", b"1")
    before = place.look(["a.jpg", "none.jpg"])
    assert [found.size_bytes for found in before] == [1, -1]
    place.write("a.jpg", b"2")
    assert place.look(["a.jpg"])[0].version != before[0].version


def test_what_is_written_is_read_and_nothing_else_lies_there(photos: Path) -> None:
    place = Place.of(str(photos))
    place.write("new/a b.jpg", b"content")
    place.write("new/a b.jpg", b"other")
    assert place.read("new/a b.jpg") == b"other"
    assert [path.name for path in photos.rglob("*")] == ["new", "a b.jpg"]
    place.delete(["new/a b.jpg", "none"])
    assert keys(place) == []


def test_what_fsspec_knows_is_a_place_too() -> None:
    place = Place.of("memory://album/2009/")
    place.write("a/b.jpg", b"content")
    assert keys(place) == ["a/b.jpg"]
    assert place.read("a/b.jpg") == b"content"


def test_urls_that_nobody_knows_are_refused() -> None:
    with pytest.raises(ValueError, match="nobody-knows"):
        Place.of("nobody-knows://album/")
