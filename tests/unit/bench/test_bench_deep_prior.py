from typing import Any

import numpy as np
import pytest

from bench import deep_prior
from bench.report_methods import deep_prior as render
from photorestore.networks import deep_prior as network
from tests.conftest import make_photo


def test_each_task_is_measured_beside_the_usual_way_and_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "STEPS", 3)
    monkeypatch.setattr(network, "LEAST_STEPS", 3)
    photos = [np.ascontiguousarray(make_photo(32, 40, seed)[..., 0]) for seed in (0, 1)]
    found: dict[str, Any] = {name: deep_prior.of_task(name, photos) for name in deep_prior.TASKS}
    assert {name: set(one["by_picture_db"]) for name, one in found.items()} == {
        "noise": {"noisy input", "dip"},
        "missing": {"Telea", "dip"},
        "enlarged": {"bicubic", "dip"},
    }
    assert found["noise"]["steps"] == [3, 3]
    text = render(deep_prior.joined(photos, found))
    assert "half of the pixels missing" in text
    assert "30.44" in text
