"""What the tests of the client share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from photorestore_client import (
    Client,
)

from tests.client_command import make_picture
from tests.edge_double import QUICK, Edge


@pytest.fixture
def edge() -> Iterator[Edge]:
    with Edge() as running:
        yield running


@pytest.fixture
def client(edge: Edge) -> Iterator[Client]:
    with Client(edge.url, api_key="secret", retry=QUICK) as connected:
        yield connected


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three pictures, one below, and what is no picture."""
    folder = tmp_path / "photos"
    (folder / "album" / ".hidden").mkdir(parents=True)
    for number, name in enumerate(["a.png", "b.JPG", "album/a.png"]):
        (folder / name).write_bytes(make_picture(number))
    for name in ["notes.txt", ".d.png", "album/.hidden/e.png"]:
        (folder / name).write_bytes(b"none")
    return folder
