import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import report, weather
from photorestore import pipeline
from tests.conftest import make_photo


def test_weather_is_measured_and_reported(tmp_path: Path) -> None:
    (tmp_path / "BSD100").mkdir()
    Image.fromarray(make_photo(60, 70)).save(tmp_path / "BSD100" / "1.png")
    result = weather.measure(tmp_path, pipeline.load(root=tmp_path / "spaces"))
    assert set(result["looks"]) == {"photographs", "old prints"}
    for figures in result["looks"].values():
        assert set(figures["weathers"]) == {"rain", "snow", "haze"}
        for found in (found for by_method in figures["weathers"].values() for found in by_method.values()):
            change_db = found["after_db"]["mean"] - found["before_db"]["mean"]
            assert found["gain_db"]["mean"] == pytest.approx(change_db, abs=1e-3)
        assert figures["weathers"]["haze"]["dark-channel"]["worked_share"] == 1
        assert set(figures["weathers"]["haze"]) == {"haze-network", "dark-channel"}
        assert figures["dry"]["dark-channel"]["psnr_db"]["mean"] < 60
    text = report.SECTIONS["weather"](json.loads(json.dumps(result)))
    assert "| rain | network | photographs |" in text
    assert "| dark-channel | old prints |" in text


@pytest.mark.parametrize("name", weather.WEATHERS)
def test_drawn_weather_repeats_by_its_seed(name: str) -> None:
    photo = make_photo(60, 70)
    seen = weather.drawn(name, photo, 3)
    assert np.array_equal(seen, weather.drawn(name, photo, 3))
    assert not np.array_equal(seen, photo)
