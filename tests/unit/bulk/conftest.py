from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="comes with the extra `bulk`")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder
