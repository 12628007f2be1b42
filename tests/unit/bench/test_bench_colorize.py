import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import colorize, report_colorize
from tests.conftest import make_photo


def test_the_suite_measures_all_methods_and_can_be_reported(tmp_path: Path) -> None:
    (tmp_path / "BSD100").mkdir()
    for number in range(2):
        Image.fromarray(make_photo(64, 96, seed=number)).save(tmp_path / "BSD100" / f"{number}.png")
    result = json.loads(json.dumps(colorize.measure(tmp_path)))
    assert set(result["rmse_ab"]) == {colorize.GREY, *result["seconds_per_megapixel"]}
    assert result["lightness_off_share"] < 0.001
    assert result["colourfulness_share"][colorize.GREY] == 0
    assert result["accepted_share"].keys() == {colorize.EXEMPLAR, colorize.UNRELATED}
    guessed = result["by_confidence"][colorize.LEARNED]
    assert sum(part["share"] for part in guessed) == pytest.approx(1, abs=0.01)
    assert max(part["to"] for part in guessed) == 0.5
    assert "| exemplar |" in report_colorize.colorize(result)


def test_another_look_is_a_smaller_part() -> None:
    image = colorize.as_image(make_photo(60, 80))
    look = colorize.another_look(image, np.random.default_rng(0))
    assert min(look.shape[-2:]) < 60
    assert look.shape[:2] == (1, 3)


def test_psnr_of_ab_has_a_peak_of_255() -> None:
    assert colorize.psnr_ab(2.55) == pytest.approx(40)
