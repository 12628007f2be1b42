"""Uploads and results of jobs, in a folder and in an object store."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.stores import PASSWORD
from gateway.errors import JobsUnavailable
from gateway.jobs.files import Files
from gateway.jobs.folder_files import FolderFiles
from gateway.restore.results import Result
from photorestore.errors import BrokenArtifact
from photorestore.options import Options
from photorestore.workspace import Workspace
from tests.edge import free_port
from tests.handed_on import REPORT


@pytest.fixture(params=["own", "shared", "bucket"])
def kept(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Iterator[Files]:
    if request.param == "bucket":
        opened: Files = open_bucket(request.getfixturevalue("bucket"), tmp_path / "spool")
    else:
        opened = FolderFiles(folder, is_shared=request.param == "shared")
    with contextlib.closing(opened):
        yield opened


def open_bucket(url: str, spool: Path) -> Files:
    from gateway.jobs.object_files import ObjectFiles

    return ObjectFiles(url, FolderFiles(spool))


def upload_to(kept: Files, **parts: bytes) -> Workspace:
    upload = kept.new_upload(Options(), "r1")
    for name, content in parts.items():
        upload.write_file(name, content)
    return upload


def test_upload_is_laid_out_as_it_came(kept: Files, root: Path) -> None:
    upload = upload_to(kept, upload=b"a picture", mask_upload=b"a mask")
    assert kept.secure(upload) == 15
    workspace = Workspace.create(root, Options())
    kept.lay_out(upload.envelope.workspace_id, workspace)
    assert workspace.path("upload").read_bytes() == b"a picture"
    assert workspace.path("mask_upload").read_bytes() == b"a mask"
    assert not workspace.path("reference_upload").exists()
    kept.drop_upload(upload.envelope.workspace_id)
    with pytest.raises(BrokenArtifact, match="is gone"):
        kept.lay_out(upload.envelope.workspace_id, Workspace.create(root, Options()))


def test_result_is_read_as_it_was_kept_until_it_is_dropped(kept: Files) -> None:
    for size in (10, 3 << 20):
        result = Result(bytes(size), "image/png", REPORT, b"mask")
        assert kept.keep("a.1", result) > size
        found = kept.result("a.1")
        assert found is not None
        kept.drop_result("a.1")
        assert (len(found.picture), found.mask, found.content_type) == (size, b"mask", "image/png")
        assert kept.result("a.1") is None
    kept.drop_result("a.1")
    assert kept.find_problem() == ""


def test_what_has_no_record_is_deleted_of_a_shared_place_only_when_it_is_old(
    kept: Files, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = [upload_to(kept, upload=b"a picture") for _ in range(2)]
    for upload in uploads:
        kept.secure(upload)
    for name in ("known.1", "unknown.1"):
        kept.keep(name, Result(b"picture", "image/png", REPORT, None))
    waiting = {uploads[0].envelope.workspace_id.partition("-")[2]}

    if kept.is_shared:
        kept.drop_others({"known"}, waiting)
        assert is_there(kept, uploads[1], root)
        assert kept.result("unknown.1") is not None
        monkeypatch.setattr(f"{type(kept).__module__}.ORPHAN_S", -5.0)
    kept.drop_others({"known"}, waiting)
    assert [is_there(kept, upload, root) for upload in uploads] == [True, False]
    assert kept.result("known.1") is not None
    assert kept.result("unknown.1") is None


def is_there(kept: Files, upload: Workspace, root: Path) -> bool:
    try:
        kept.lay_out(upload.envelope.workspace_id, Workspace.create(root, Options()))
    except BrokenArtifact:
        return False
    return True


def test_spool_is_empty_after_use(bucket: str, tmp_path: Path) -> None:
    with contextlib.closing(open_bucket(bucket, tmp_path)) as kept:
        kept.secure(upload_to(kept, upload=b"a picture"))
        kept.keep("a", Result(b"picture", "image/png", REPORT, None))
        assert kept.result("a") is not None
        assert [list((tmp_path / part).iterdir()) for part in ("uploads", "results")] == [[], []]


def test_bucket_that_is_not_there_or_not_reached_is_trouble_and_no_lost_upload(
    bucket: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with contextlib.closing(open_bucket("s3://nosuch/jobs", tmp_path / "1")) as kept:
        assert "store of the jobs' files" in kept.find_problem()
        with pytest.raises(JobsUnavailable):
            kept.lay_out("1-2", Workspace.create(root, Options()))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with contextlib.closing(open_bucket(bucket, tmp_path / "2")) as kept:
        assert "store of the jobs' files" in kept.find_problem()
        for attempt in each_of(kept, root):
            with pytest.raises(JobsUnavailable):
                attempt()
        kept.drop_result("a")
    assert "error sending request" in caplog.text
    assert PASSWORD not in caplog.text


def each_of(kept: Files, root: Path) -> tuple[Callable[[], object], ...]:
    return (
        lambda: kept.secure(upload_to(kept, upload=b"a picture")),
        lambda: kept.keep("a", Result(b"picture", "image/png", REPORT, None)),
        lambda: kept.result("a"),
        lambda: kept.lay_out("1-2", Workspace.create(root, Options())),
        lambda: kept.drop_others((), ()),
    )


def test_folder_that_edges_share_has_no_lock(folder: Path) -> None:
    for _ in range(2):
        FolderFiles(folder, is_shared=True)
    with contextlib.closing(FolderFiles(folder)), pytest.raises(ValueError, match="in use"):
        FolderFiles(folder)
