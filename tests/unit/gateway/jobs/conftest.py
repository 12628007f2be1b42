"""What the tests of jobs share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

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
