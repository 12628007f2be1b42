"""What the tests of jobs share."""

import itertools
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bench.stores import S3, find_postgres, running_postgres, running_s3
from gateway.jobs import attempts, disk_trouble, worker
from tests.edge import EdgeClient, FakeTorchServe, running_edge


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "jobs"


@pytest.fixture
async def edge(server: FakeTorchServe, root: Path, folder: Path) -> AsyncIterator[EdgeClient]:
    async with running_edge(server, root, jobs_dir=folder) as client:
        yield client
    assert list(root.iterdir()) == []


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long before the next try."""
    monkeypatch.setattr(attempts, "FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(worker, "POLL_S", 0.01)
    monkeypatch.setattr(attempts, "SPACE_WAIT_S", 0.01)
    monkeypatch.setattr(worker, "ADOPT_EVERY_S", 0.05)
    monkeypatch.setattr(disk_trouble, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(disk_trouble, "LONGEST_WAIT_S", 0.01)


NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL."""
    programs = find_postgres()
    if programs is None:
        pytest.skip("PostgreSQL is not installed; .ci/run does it")
    with running_postgres(programs) as url:
        yield url


@pytest.fixture
def database(postgres: str) -> str:
    """URL of an empty schema."""
    psycopg = pytest.importorskip("psycopg", reason="comes with the extra `jobs`")
    name = f"s{next(NUMBERS)}"
    with psycopg.connect(postgres) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{postgres}?options=-csearch_path%3D{name}"


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """URL of a store that speaks S3, with the bucket `jobs`."""
    program = shutil.which("moto_server")
    if program is None:
        pytest.skip("moto_server is not installed; .ci/tools does it")
    with running_s3(program, "jobs") as url:
        yield url


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of a place in a bucket that is empty."""
    pytest.importorskip("obstore", reason="comes with the extra `jobs`")
    for name, value in {**S3, "AWS_ENDPOINT_URL": s3}.items():
        monkeypatch.setenv(name, value)
    return f"s3://jobs/p{next(NUMBERS)}"
