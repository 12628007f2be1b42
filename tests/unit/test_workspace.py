import errno
import os
import stat
import time
from pathlib import Path

import numpy as np
import pytest

from photorestore.directories import is_name
from photorestore.errors import BrokenArtifact, OutOfSpace, PayloadTooLarge
from photorestore.housekeeping import GRACE_S, LONGEST_TIMEOUT_S, count_awaited, require_room, sweep
from photorestore.options import Options
from photorestore.workspace import Workspace


def test_a_workspace_is_private_and_named_by_us(workspace: Workspace) -> None:
    assert stat.S_IMODE(workspace.directory.stat().st_mode) == 0o700
    assert is_name(workspace.envelope.workspace_id)


@pytest.mark.parametrize("name", ["../../etc", "1700000000-" + "g" * 32, "", "x/1700000000-" + "a" * 32])
def test_an_envelope_cannot_name_another_path(workspace: Workspace, name: str) -> None:
    workspace.envelope.workspace_id = name
    with pytest.raises(BrokenArtifact):
        Workspace.open(workspace.root, workspace.envelope)


def test_planes_are_read_back_as_written(workspace: Workspace) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (3, 5, 7), dtype=np.uint16)
    workspace.write_plane("denoised", values)
    again = Workspace.open(workspace.root, workspace.envelope).plane("denoised")
    assert (again == values).all()
    assert not again.flags.writeable


def test_a_failed_write_leaves_the_former_plane_and_nothing_else(workspace: Workspace) -> None:
    workspace.write_plane("denoised", np.ones((1, 2, 2), np.uint8))
    before = sorted(workspace.directory.iterdir())
    with pytest.raises(RuntimeError), workspace.new_plane("denoised", (1, 2, 2), "uint8") as plane:
        plane[:] = 9
        raise RuntimeError
    assert sorted(workspace.directory.iterdir()) == before
    assert (workspace.plane("denoised") == 1).all()


def test_a_plane_that_is_not_what_the_envelope_says_is_broken(workspace: Workspace) -> None:
    workspace.write_plane("image", np.ones((3, 2, 2), np.uint8))
    np.save(workspace.path("image.npy"), np.ones((3, 9, 9), np.uint8))
    with pytest.raises(BrokenArtifact, match="image"):
        workspace.plane("image")


def test_pickled_planes_are_refused(workspace: Workspace) -> None:
    workspace.write_plane("image", np.ones((3, 2, 2), np.uint8))
    np.save(workspace.path("image.npy"), np.array([{}], object), allow_pickle=True)
    with pytest.raises(BrokenArtifact):
        workspace.plane("image")


def test_full_shared_memory_is_a_problem_that_can_be_tried_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutOfSpace), workspace.new_plane("image", (3, 2, 2), "uint8"):
        pass
    assert not list(workspace.directory.iterdir())


def test_room_is_checked_before_pixels_are_written(workspace: Workspace) -> None:
    require_room(workspace.root, 1)
    state = os.statvfs(workspace.root)
    with pytest.raises(OutOfSpace, match="MiB of shared memory"):
        require_room(workspace.root, state.f_blocks * state.f_frsize)
    with pytest.raises(PayloadTooLarge, match="MiB of shared memory"):  # no later try will do
        require_room(workspace.root, 1 << 60)


def test_the_sweeper_takes_only_what_nobody_waits_for(tmp_path: Path) -> None:
    waiting, delivered, late = (Workspace.create(tmp_path, Options(timeout_s=1)) for _ in range(3))
    (tmp_path / "someone-elses").mkdir()
    delivered.mark_done()
    now = time.monotonic() + GRACE_S + 5
    assert sweep(tmp_path, now) == 1
    assert waiting.directory.exists()
    assert not delivered.directory.exists()
    assert sweep(tmp_path, now + LONGEST_TIMEOUT_S) == 2
    assert not late.directory.exists()
    assert (tmp_path / "someone-elses").exists()


@pytest.mark.parametrize("step_s", [-3600, 3600])
def test_a_step_of_the_clock_ends_nothing_and_sweeps_nothing_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_s: int
) -> None:
    awaited, delivered = (Workspace.create(tmp_path, Options(timeout_s=1)) for _ in range(2))
    delivered.mark_done()
    before = time.time
    monkeypatch.setattr(time, "time", lambda: before() + step_s)
    awaited.require_wanted()
    assert sweep(tmp_path) == 0
    assert sweep(tmp_path, time.monotonic() + GRACE_S + 5) == 1
    assert sweep(tmp_path, time.monotonic() + LONGEST_TIMEOUT_S + 5) == 1


def test_a_delivery_is_dated_by_the_monotonic_clock(workspace: Workspace) -> None:
    workspace.mark_done()
    assert abs(workspace.path("done").stat().st_mtime - time.monotonic()) < 5


def test_what_an_earlier_start_of_the_machine_left_is_swept_at_once(tmp_path: Path) -> None:
    Workspace.create(tmp_path, Options())
    old = tmp_path / f"{int(time.time()):010d}-{'0' * 32}"
    old.mkdir()
    assert sweep(tmp_path) == 1
    assert not old.exists()


def test_requests_in_flight_are_those_that_somebody_waits_for(tmp_path: Path) -> None:
    assert count_awaited(tmp_path) == 0
    workspace = Workspace.create(tmp_path, Options())
    (tmp_path / f"{0:010d}-{'0' * 32}").mkdir()  # nobody waits any more
    assert count_awaited(tmp_path) == 1
    workspace.mark_done()
    assert count_awaited(tmp_path) == 0


def test_links_among_the_workspaces_are_unlinked_and_never_followed(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "spaces", tmp_path / "elsewhere"
    workspace = Workspace.create(root, Options())
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("kept")
    for name in ("0" * 32, "1" * 32):
        (root / f"{1:010d}-{name}").symlink_to(elsewhere)
    workspace.path("link").symlink_to(elsewhere)
    workspace.envelope.workspace_id = f"{1:010d}-{'0' * 32}"
    with pytest.raises(BrokenArtifact, match="gone"):
        Workspace.open(root, workspace.envelope)
    assert sweep(root) == 2
    workspace.remove()
    assert list(root.iterdir()) == []
    assert (elsewhere / "precious").read_text() == "kept"


def test_a_root_that_others_own_or_may_write_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o770)
    with pytest.raises(PermissionError, match=r"shared .*only user .* mode 0770"):
        Workspace.create(tmp_path / "shared", Options())
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(PermissionError, match="link"):
        Workspace.create(tmp_path / "link", Options())
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    with pytest.raises(PermissionError, match=f"got one of user {user}"):
        Workspace.create(tmp_path, Options())


def test_a_file_written_in_pieces_is_there_when_it_is_whole(workspace: Workspace) -> None:
    with workspace.new_file("upload") as file:
        file.write(b"one ")
        assert workspace.read_file("upload") is None
        file.write(b"two")
    assert workspace.read_file("upload") == b"one two"


def test_a_file_that_breaks_off_leaves_nothing(workspace: Workspace) -> None:
    with pytest.raises(OutOfSpace), workspace.new_file("upload") as file:
        file.write(b"one")
        raise OSError(errno.ENOSPC, "full")
    assert list(workspace.directory.iterdir()) == []
