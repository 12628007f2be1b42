"""Views of a picture, and the mean of what was found in them."""

import numpy as np
import pytest

from photorestore.stages.scratch import looks


def test_the_mean_with_the_turned_picture_stands_where_it_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "BAND_ROWS", 8)
    prob, other = np.random.default_rng(0).integers(0, 65536, (2, 1, 20, 30), dtype=np.uint16)
    turned = looks.turn(other)
    assert turned.shape == (1, 30, 20)
    assert np.array_equal(turned[0, :, 0], other[0, 0, ::-1])
    wanted = (prob.astype(int) + other) // 2
    looks.average(prob, turned)
    assert np.array_equal(prob, wanted)
