import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench import learned, report, upscale
from tests.conftest import make_photo


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Every set with two small pictures, the second of Set14 stored in one channel."""
    for name in upscale.SETS:
        (tmp_path / name).mkdir()
        for index in range(2):
            photo = make_photo(66, 71, index)
            grey = name == "Set14" and index == 1
            Image.fromarray(photo[..., 0] if grey else photo).save(tmp_path / name / f"{index}.png")
    return tmp_path


@pytest.fixture
def _no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(learned, "WEIGHTS", tmp_path / "none")
    monkeypatch.setattr(upscale, "weights_file", lambda name, tier: tmp_path / f"{name}.{tier}.none")


def test_a_known_error_gives_its_psnr() -> None:
    hr = torch.full((3, 40, 40), 0.5)
    psnr_y_db, ssim_y = upscale.score(hr + 0.1, hr, 4)
    assert psnr_y_db == pytest.approx(20 + 20 * np.log10(255 / 219), abs=1e-3)
    assert ssim_y < 1
    assert upscale.score(hr + 0.1, hr, 4, is_grey=True)[0] == pytest.approx(20, abs=1e-3)


def test_the_border_does_not_count() -> None:
    hr = torch.rand(3, 40, 40)
    sr = hr.clone()
    sr[:, :4] = sr[:, -4:] = sr[..., :4] = sr[..., -4:] = 0
    psnr_db, ssim = upscale.score(sr, hr, 4)
    assert psnr_db == np.inf
    assert ssim == pytest.approx(1)
    assert upscale.score(sr, hr, 2)[0] < 40


@pytest.mark.usefixtures("_no_weights")
def test_without_weights_bicubic_is_measured_and_reported(sets: Path) -> None:
    result = upscale.measure(sets)
    assert result["sets"] == dict.fromkeys(upscale.SETS, 2)
    for scale in ("2", "4"):
        for figures in result["scales"][scale].values():
            assert set(figures["psnr_y_db"]) == {"bicubic"}
            assert 15 < figures["psnr_y_db"]["bicubic"]["mean"] < 60
    assert (
        result["scales"]["2"]["Set5"]["psnr_y_db"]["bicubic"]["mean"]
        > result["scales"]["4"]["Set5"]["psnr_y_db"]["bicubic"]["mean"]
    )
    text = report.SECTIONS["upscale"](json.loads(json.dumps(result)))
    assert "| LapSRN (published) | 31.54 | 28.19 | 27.32 |  |" in text


def test_learned_baselines_stand_beside_bicubic(sets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upscale, "_ours", lambda _: {})
    result = upscale.measure(sets, every=2)
    figures = result["scales"]["2"]["Set5"]
    learned_methods = set(figures["psnr_y_db"]) - {"bicubic"}
    assert len(learned_methods) == 2
    assert set(figures["gain_over_bicubic_db"]) == learned_methods
    assert "gain over bicubic" in report.SECTIONS["upscale"](json.loads(json.dumps(result)))


@pytest.mark.usefixtures("_no_weights")
def test_a_picture_stored_in_one_channel_is_measured_on_its_grey_values(sets: Path) -> None:
    colour = sets / "Set14" / "1.png"
    before = upscale.measure(sets)["scales"]["2"]["Set14"]["psnr_y_db"]["bicubic"]
    Image.open(colour).convert("RGB").save(colour)
    after = upscale.measure(sets)["scales"]["2"]["Set14"]["psnr_y_db"]["bicubic"]
    assert after["mean"] - before["mean"] == pytest.approx(10 * np.log10(255 / 219), abs=1e-3)
