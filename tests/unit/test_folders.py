"""Folders for pictures in work: made for us alone, and deleted without following links."""

import os
import stat
from pathlib import Path

import pytest

from photorestore.folders import delete, make_private


def test_a_folder_is_made_with_its_parents_for_us_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    before = os.umask(0)
    try:
        make_private(folder)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    make_private(folder)


@pytest.mark.parametrize("mode", [0o700, 0o711, 0o755])
def test_a_folder_that_others_may_read_but_not_write_to_is_taken(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    folder.chmod(mode)
    make_private(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == mode


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(PermissionError, match=f"with mode {mode:04o}"):
        make_private(folder)


def test_a_file_or_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "own").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "own")
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    for name in ("file", "link", "dangling"):
        with pytest.raises(PermissionError, match="got a link or a file"):
            make_private(tmp_path / name)
    assert not (tmp_path / "none").exists()


def test_a_folder_is_deleted_with_its_files_and_links_but_not_with_what_links_name(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").touch()
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "upload").touch()
    (folder / "to a folder").symlink_to(elsewhere)
    (folder / "to a file").symlink_to(elsewhere / "precious")
    delete(folder)
    assert not folder.exists()
    assert (elsewhere / "precious").exists()


def test_a_folder_that_is_not_flat_is_deleted_all_the_same(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").touch()
    below = tmp_path / "work" / "below"
    below.mkdir(parents=True)
    (below / "file").touch()
    (below / "link").symlink_to(elsewhere)
    delete(tmp_path / "work")
    assert not (tmp_path / "work").exists()
    assert (elsewhere / "precious").exists()


def test_a_link_a_file_or_nothing_in_its_place_is_no_error(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "link").symlink_to(elsewhere)
    (tmp_path / "file").touch()
    for name in ("link", "file", "none"):
        delete(tmp_path / name)
    assert list(tmp_path.iterdir()) == [elsewhere]
