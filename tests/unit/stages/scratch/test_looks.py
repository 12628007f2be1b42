"""Views of a picture, and the mean of what was found in them."""

import numpy as np
import pytest

from photorestore.stages.scratch import looks


@pytest.mark.parametrize(
    ("way", "corner"), [(looks.TURNED, (0, 29)), (looks.MIRRORED, (0, 29)), (looks.UPRIGHT, (0, 0))]
)
def test_the_mean_with_what_is_seen_in_another_way_stands_where_it_belongs(
    monkeypatch: pytest.MonkeyPatch, way: str, corner: tuple[int, int]
) -> None:
    monkeypatch.setattr(looks, "BAND_ROWS", 8)
    prob, other = np.random.default_rng(0).integers(0, 65536, (2, 1, 20, 30), dtype=np.uint16)
    view = looks.seen(other, way)
    assert view.shape == ((1, 30, 20) if way == looks.TURNED else (1, 20, 30))
    assert view[0, 0, 0] == other[0, *corner]
    wanted = (prob.astype(int) + other) // 2
    looks.average(prob, view, way)
    assert np.array_equal(prob, wanted)
