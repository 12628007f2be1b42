"""What the tests of the log and the spans share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.edge import EdgeClient, FakeTorchServe, running_edge


@pytest.fixture
async def edge(server: FakeTorchServe, root: Path) -> AsyncIterator[EdgeClient]:
    async with running_edge(server, root) as client:
        yield client
    assert list(root.iterdir()) == []
