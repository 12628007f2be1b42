from pathlib import Path

import numpy as np
import pytest

from photorestore.pixels.copied import copied
from photorestore.workspace import Workspace


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_copy_has_the_same_values_in_16_bits(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, dtype: type[np.uint8] | type[np.uint16]
) -> None:
    monkeypatch.setattr("photorestore.pixels.copied.COPIED_ROWS", 4)
    most = np.iinfo(dtype).max
    source = np.random.default_rng(0).integers(0, most, (3, 9, 5), dtype, endpoint=True)
    source[:, 0, :2] = 0, most
    with copied(workspace, "denoised", source) as target:
        np.testing.assert_array_equal(target / 65_535, source / most)
        target[:, 0, 0] = 7
    assert (workspace.plane("denoised")[:, 0, 0] == 7).all()
    assert (source[:, 0, 0] == 0).all()


def test_a_copy_that_breaks_off_is_no_plane(workspace: Workspace) -> None:
    source = np.zeros((3, 4, 4), np.uint8)
    with pytest.raises(RuntimeError), copied(workspace, "denoised", source):
        raise RuntimeError
    assert "denoised" not in workspace.envelope.planes
    assert list(Path(workspace.directory).iterdir()) == []
