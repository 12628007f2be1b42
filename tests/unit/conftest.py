"""What the tests of the REST edge share."""

import pytest

from tests.edge import FakeTorchServe, load_handlers


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session")
def handlers(tmp_path_factory):
    return load_handlers(tmp_path_factory.mktemp("unused"))


@pytest.fixture
def root(tmp_path, handlers):
    """The workspace root that the handlers and the edge share."""
    spaces = tmp_path / "spaces"
    for handler in handlers.values():
        handler.root = spaces
    return spaces


@pytest.fixture
def server(handlers):
    return FakeTorchServe(handlers)
