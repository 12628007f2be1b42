"""What the tests of the REST edge share."""

from pathlib import Path

import pytest

from photorestore.serving.handler import StageHandler
from tests.edge import FakeTorchServe, load_handlers


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def handlers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StageHandler]:
    return load_handlers(tmp_path_factory.mktemp("unused"))


@pytest.fixture
def root(tmp_path: Path, handlers: dict[str, StageHandler]) -> Path:
    """The workspace root that the handlers and the edge share."""
    spaces = tmp_path / "spaces"
    for handler in handlers.values():
        handler.root = spaces
    return spaces


@pytest.fixture
def server(handlers: dict[str, StageHandler]) -> FakeTorchServe:
    return FakeTorchServe(handlers)
