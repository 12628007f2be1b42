"""Measure other weights than those in use: `pytest tests/quality --weights FOLDER`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

OPTION = "--weights"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, type=Path, help="a folder like weights/, in its place")


@pytest.fixture(scope="session", autouse=True)
def weights(request: pytest.FixtureRequest) -> Iterator[None]:
    root = request.config.getoption(OPTION, None)
    with pytest.MonkeyPatch.context() as patch:
        if root is not None:
            for module in ("networks.weights", "stages.tiered"):
                patch.setattr(f"photorestore.{module}.default_root", lambda: root)
        yield
