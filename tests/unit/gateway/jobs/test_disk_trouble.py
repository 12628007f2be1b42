"""Jobs of the REST edge where shared memory or their folder is full, read-only or failing."""

import asyncio
import errno
import json
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from gateway.jobs import attempts
from gateway.jobs.folder_files import FolderFiles
from gateway.jobs.rows import INSERT, to_row
from gateway.jobs.sqlite import VERSIONS
from gateway.jobs.store import Store
from photorestore.errors import OutOfSpace
from photorestore.serving.answers import PROBLEM_TYPE
from photorestore.workspace import Workspace
from tests.edge import EdgeClient, FakeTorchServe, make_picture, problem, running_edge, until
from tests.jobs import submit, wait
from tests.unit.gateway.jobs.test_store import make_record

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick")]


async def readyz(edge: EdgeClient) -> tuple[int, str]:
    await edge.app.state.edge.readiness.look()
    answer = await edge.get("/readyz")
    return answer.status_code, answer.json()["problem"]


def retry_later(answer: httpx.Response) -> tuple[int, str]:
    assert int(answer.headers["retry-after"]) >= 1
    return problem(answer)


class Failing:
    """A method that fails so, as long as `error` is set, and counts how often."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, error: Exception) -> None:
        self.error: Exception | None = error
        self.count = 0
        method = getattr(owner, name)

        def fail(*arguments: Any, **named: Any) -> object:
            if self.error is None:
                return method(*arguments, **named)
            self.count += 1
            raise self.error

        monkeypatch.setattr(owner, name, fail)


class FailingDatabase:
    """A connection that takes no change as long as `error` is set."""

    def __init__(self, store: Store) -> None:
        self.error: Exception | None = None
        self.count = 0
        self._connection = store._database._db  # type: ignore[attr-defined]  # SQLite's
        store._database._db = self  # type: ignore[attr-defined]  # a stand-in

    def execute(self, query: str, *values: Any) -> sqlite3.Cursor:
        if self.error is not None and query.lstrip().startswith(("INSERT", "UPDATE", "DELETE")):
            self.count += 1
            raise self.error
        return self._connection.execute(query, *values)

    def close(self) -> None:
        self._connection.close()


def database_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("it does not work")
    error.sqlite_errorcode = code
    return error


async def test_full_shared_memory_is_no_try_of_a_job(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Failing(monkeypatch, FolderFiles, "lay_out", OutOfSpace("shared memory is full"))
    async with running_edge(server, root, jobs_dir=folder, job_tries=3) as edge:
        job = await submit(edge)
        await until(lambda: full.count > 6)
        full.error = None
        done = await wait(edge, job)
        assert (done["state"], done["tries"]) == ("succeeded", 1)


async def test_stage_that_finds_shared_memory_full_is_no_try_of_a_job(
    server: FakeTorchServe, root: Path, folder: Path
) -> None:
    async with running_edge(server, root, jobs_dir=folder, job_tries=3) as edge:
        document = {"type": f"{PROBLEM_TYPE}out-of-space", "status": 503, "detail": "x", "stage": "denoise"}
        server.answer = Response(json.dumps(document))
        job = await submit(edge)
        await until(lambda: len(server.inferences) > 6)
        server.answer = None
        done = await wait(edge, job)
        assert (done["state"], done["tries"]) == ("succeeded", 1)


async def test_picture_that_shared_memory_never_has_room_for_fails_after_its_tries(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts.Attempts, "room", lambda _: (100.0, 1000.0))
    full = Failing(monkeypatch, FolderFiles, "lay_out", OutOfSpace("shared memory is full"))
    async with running_edge(server, root, jobs_dir=folder, job_tries=3) as edge:
        job = await wait(edge, await submit(edge))
        assert (job["state"], job["tries"], full.count) == ("failed", 3, 3)


async def test_no_job_is_taken_while_shared_memory_is_full_and_readyz_says_so(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_edge(server, root, jobs_dir=folder) as edge:
        with monkeypatch.context() as patch:
            used = shutil_usage(free=1 << 20)
            patch.setattr("shutil.disk_usage", lambda path: used if path == root else shutil_usage())
            assert await readyz(edge) == (503, "shared memory is full: 1 MiB are free")
            job = await submit(edge)
            await asyncio.sleep(0.1)
            assert (await wait(edge, job, "queued"))["tries"] == 0
        assert (await readyz(edge))[0] == 200
        assert (await wait(edge, job))["tries"] == 1


def shutil_usage(free: int = 1 << 40) -> type:
    return type("Usage", (), {"total": 1 << 40, "used": 0, "free": free})


async def test_job_ends_when_the_disk_that_was_full_at_its_end_has_room(
    server: FakeTorchServe, root: Path, folder: Path
) -> None:
    async with running_edge(server, root, jobs_dir=folder) as edge:
        disk = FailingDatabase(edge.app.state.edge.jobs.store)
        server.is_open.clear()
        job = await submit(edge)
        await until(lambda: server.inferences)
        disk.error = database_error(sqlite3.SQLITE_FULL)
        server.is_open.set()
        await until(lambda: disk.count > 3)
        assert (await wait(edge, job, "running"))["tries"] == 1
        disk.error = None
        done = await wait(edge, job)
        assert (done["state"], done["tries"]) == ("succeeded", 1)
        assert len(server.inferences) == 1


async def test_result_is_kept_when_the_disk_that_was_full_has_room(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Failing(monkeypatch, FolderFiles, "keep", OutOfSpace("full"))
    async with running_edge(server, root, jobs_dir=folder, job_tries=2) as edge:
        job = await submit(edge)
        await until(lambda: full.count > 3)
        full.error = None
        assert (await wait(edge, job))["tries"] == 1
        assert len(server.inferences) == 1


async def test_job_whose_end_was_never_entered_is_begun_again(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Failing(monkeypatch, FolderFiles, "keep", LookupError("a fault of ours"))
    async with running_edge(server, root, jobs_dir=folder, job_tries=3) as edge:
        job = await submit(edge)
        await until(lambda: broken.count == 1)
        broken.error = None
        done = await wait(edge, job)
        assert (done["state"], done["tries"]) == ("succeeded", 2)


async def test_job_whose_end_can_never_be_entered_is_given_up(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Failing(monkeypatch, FolderFiles, "keep", LookupError("a fault of ours"))
    async with running_edge(server, root, jobs_dir=folder, job_tries=2) as edge:
        done = await wait(edge, await submit(edge))
        assert (done["state"], done["tries"], broken.count) == ("failed", 2, 2)
        await until(lambda: list((folder / "uploads").iterdir()) == [])


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, "out-of-space"),
        (sqlite3.SQLITE_READONLY, "jobs-unavailable"),
        (sqlite3.SQLITE_IOERR_WRITE, "jobs-unavailable"),
    ],
)
async def test_records_that_take_no_change_are_503_with_retry_after(
    server: FakeTorchServe, root: Path, folder: Path, code: int, kind: str
) -> None:
    async with running_edge(server, root, jobs_dir=folder, max_jobs=1) as edge:
        server.is_open.clear()
        running, waiting = await submit(edge), await submit(edge, seed=1)
        await wait(edge, running, "running")
        disk = FailingDatabase(edge.app.state.edge.jobs.store)
        disk.error = database_error(code)
        assert retry_later(await edge.delete(running["links"]["self"])) == (503, kind)
        assert retry_later(await edge.delete(waiting["links"]["self"])) == (503, kind)
        assert retry_later(await edge.post("/v1/jobs", content=make_picture(seed=2))) == (503, kind)
        assert (await edge.get(waiting["links"]["self"])).status_code == 200
        disk.error = None
        assert (await edge.delete(waiting["links"]["self"])).status_code == 204
        server.is_open.set()
        assert (await wait(edge, running))["state"] == "succeeded"


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EIO, errno.ENOSPC])
async def test_folder_that_takes_no_upload_is_503_with_retry_after(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    create = Workspace.create

    def fail(where: Path, *arguments: Any, **named: Any) -> Workspace:
        if where.is_relative_to(folder):
            raise OSError(code, "it does not work")
        return create(where, *arguments, **named)

    monkeypatch.setattr(Workspace, "create", fail)
    async with running_edge(server, root, jobs_dir=folder) as edge:
        status, _ = retry_later(await edge.post("/v1/jobs", content=make_picture()))
        assert status == 503
        assert (await edge.post("/v1/restore?stages=", content=make_picture())).status_code == 200


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EIO, errno.ENOSPC])
async def test_readyz_knows_of_the_jobs_folder(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    async with running_edge(server, root, jobs_dir=folder) as edge:
        assert (await readyz(edge))[0] == 200
        with monkeypatch.context() as patch:
            Failing(patch, type(folder), "write_bytes", OSError(code, "it does not work"))
            status, text = await readyz(edge)
            assert status == 503
            assert "of the jobs" in text
        assert (await readyz(edge))[0] == 200


async def test_uploads_leave_room_on_the_disk_for_the_ends_of_jobs(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_edge(server, root, jobs_dir=folder) as edge:
        job = await wait(edge, await submit(edge))
        used = shutil_usage(free=1 << 20)
        monkeypatch.setattr("shutil.disk_usage", lambda path: used if path == folder else shutil_usage())
        assert retry_later(await edge.post("/v1/jobs", content=make_picture())) == (503, "out-of-space")
        assert (await edge.delete(job["links"]["self"])).status_code == 204


async def test_service_starts_on_a_disk_that_takes_no_change(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Failing(monkeypatch, Store, "limit_waits", OutOfSpace("full"))
    async with running_edge(server, root, jobs_dir=folder) as edge:
        assert full.count == 1
        assert (await wait(edge, await submit(edge)))["state"] == "succeeded"


async def test_result_that_cannot_be_read_now_is_not_lost(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_edge(server, root, jobs_dir=folder) as edge:
        job = await wait(edge, await submit(edge))
        with monkeypatch.context() as patch:
            Failing(patch, type(folder), "open", OSError(errno.EIO, "it does not work"))
            assert retry_later(await edge.get(job["links"]["result"])) == (503, "jobs-unavailable")
        assert (await edge.get(job["links"]["result"])).status_code == 200


async def test_full_disk_is_emptied_by_forgetting(server: FakeTorchServe, root: Path, folder: Path) -> None:
    async with running_edge(server, root, jobs_dir=folder) as edge:
        job = await wait(edge, await submit(edge))
        disk = FailingDatabase(edge.app.state.edge.jobs.store)
        disk.error = database_error(sqlite3.SQLITE_FULL)
        assert retry_later(await edge.delete(job["links"]["self"])) == (503, "out-of-space")
        assert list((folder / "results").iterdir()) == []
        disk.error = None
        assert (await edge.delete(job["links"]["self"])).status_code == 204


async def test_result_that_cannot_be_deleted_holds_up_no_other(
    server: FakeTorchServe, root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_edge(server, root, jobs_dir=folder, job_expiry_s=1e-6) as edge:
        jobs = [await wait(edge, await submit(edge, seed=seed)) for seed in range(2)]
        with monkeypatch.context() as patch:
            Failing(patch, type(folder), "unlink", OSError(errno.EIO, "it does not work"))
            edge.app.state.edge.jobs.sweeper.sweep()
        for job in jobs:
            assert problem(await edge.get(job["links"]["self"])) == (404, "not-found")
    async with running_edge(server, root, jobs_dir=folder):
        assert list((folder / "results").iterdir()) == []


@pytest.mark.parametrize("state", ["queued", "running", "succeeded"])
@pytest.mark.parametrize("column", ["work", "outcome", "problem"])
async def test_record_that_cannot_be_read_is_set_aside(
    server: FakeTorchServe,
    root: Path,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    state: str,
    column: str,
) -> None:
    folder.mkdir()
    database = sqlite3.connect(folder / "jobs.sqlite", isolation_level=None)
    database.executescript(f"{''.join(VERSIONS)} PRAGMA user_version = {len(VERSIONS)};")
    database.execute(INSERT, to_row(make_record("torn", state=state, idempotency_key="k")))
    database.execute(f"UPDATE jobs SET {column} = '{{\"upload\": ' || CAST(x'ff' AS TEXT)")
    database.close()
    (folder / "uploads" / "1700000000-torn").mkdir(parents=True)
    async with running_edge(server, root, jobs_dir=folder) as edge:
        assert (await wait(edge, await submit(edge)))["state"] == "succeeded"
        answer = await edge.get("/v1/jobs/torn")
        assert problem(answer) == (404, "not-found")
        assert (folder / "uploads" / "1700000000-torn").exists() == (state != "succeeded")
        assert (await edge.get("/metrics")).status_code == 200
    named = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert [text for text in named if "'torn'" in text and "set aside" in text] != []
