"""What the tests of the REST edge share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.restore import release
from gateway.settings import HOME
from photorestore.serving.handler import StageHandler
from tests.edge import FakeTorchServe, load_handlers


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _archives_read_once() -> Iterator[None]:
    """Every edge hashes all archives when it starts; here hundreds of edges start, before the same archives."""
    known, fingerprint = release.fingerprint(HOME), release.fingerprint
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(release, "fingerprint", lambda home: known if home == HOME else fingerprint(home))
        yield


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
