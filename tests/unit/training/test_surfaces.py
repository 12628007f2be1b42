"""Grain, paper, mosaics and screens: how training and the benchmark draw them, and what is estimated of them."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from bench import report_noise
from bench import surfaces as suite
from bench.surfaces_set import KINDS, strong
from photorestore.stages.preprocess.estimates import estimate
from tests.conftest import make_photo
from training.config import read_config
from training.degradations import colours, surfaces
from training.degradations.levelled import on_surface
from training.on_demand import OnDemand
from training.train_denoise import Config, Pictures, make_sample

GREY = torch.full((3, 96, 96), 0.5)
PAPERS = [torch.randint(0, 256, (3, 128, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photo(h: int = 96, w: int = 96) -> torch.Tensor:
    return torch.from_numpy(make_photo(h, w)).permute(2, 0, 1).float() / 255


DRAWN: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "grain": lambda gt, g: surfaces.grain(gt, 0.08, 2.0, g),
    "photographed paper": lambda gt, g: surfaces.embossed(
        gt, 0.08, surfaces.photographed_paper(PAPERS, 96, g), g
    ),
    "woven paper": lambda gt, g: surfaces.embossed(gt, 0.08, surfaces.woven_paper((96, 96), 6.0, g), g),
    "mosaic": lambda gt, g: surfaces.mosaic(gt, 0.08, 3.0, g),
    "screen": lambda gt, g: surfaces.screened(gt, 0.08, 5.0, g),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_surface_is_decided_by_its_seed(name: str) -> None:
    draw = DRAWN[name]
    assert torch.equal(draw(photo(), rng(1)), draw(photo(), rng(1)))
    assert not torch.equal(draw(photo(), rng(1)), draw(photo(), rng(2)))


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("seed", range(4))
def test_a_surface_leaves_the_tone_and_is_as_strong_as_asked(name: str, seed: int) -> None:
    added = DRAWN[name](GREY, rng(seed)) - GREY
    assert float(added.std()) == pytest.approx(0.08, rel=0.25) or name == "screen"
    assert 0.02 < float(added.std()) < 0.11
    assert abs(float(added.mean())) < 0.02


@pytest.mark.parametrize(("size_px", "least", "most"), [(1.0, -0.3, 0.6), (2.0, 0.5, 0.9), (4.0, 0.8, 1.0)])
def test_wider_grain_is_shared_by_neighbours(size_px: float, least: float, most: float) -> None:
    added = (surfaces.grain(GREY, 0.1, size_px, rng(3)) - GREY)[0]
    together = torch.corrcoef(torch.stack([added[:, :-1].flatten(), added[:, 1:].flatten()]))[0, 1]
    assert least < float(together) < most


def test_every_surface_fits_grey_and_colour() -> None:
    for seed in range(40):
        for channels in (1, 3):
            lq, sigma = on_surface(photo()[:channels], PAPERS, rng(seed))
            assert lq.shape in ((channels, 96, 96), (3, 96, 96))  # a JPEG has three
            assert 0 <= float(lq.min()) <= float(lq.max()) <= 1
            assert 0 < float(sigma) < 0.6


@pytest.mark.parametrize("seed", range(8))
def test_strong_colours_stay_colours(seed: int) -> None:
    strengthened = colours.strong_colours(photo(), rng(seed))
    assert strengthened.shape == (3, 96, 96)
    assert 0 <= float(strengthened.min()) <= float(strengthened.max()) <= 1


def test_turned_and_saturated_grey_stays_grey() -> None:
    assert torch.allclose(colours.turned(GREY, 1.0), GREY, atol=1e-6)
    assert torch.allclose(colours.saturated(GREY, 2.6), GREY, atol=1e-6)
    assert torch.allclose(colours.turned(photo(), 0.0), photo(), atol=1e-6)


def test_training_draws_surfaces_where_papers_are_given() -> None:
    config = replace(read_config(Config, Path("training/configs/denoise.fast.toml")), patch_px=64)
    photos = [torch.from_numpy(make_photo(140, 140)).permute(2, 0, 1)]
    generator = rng(4)
    for _ in range(60):
        lq, target, sigma = make_sample(Pictures(photos, [], PAPERS), config, OnDemand(1), generator)
        assert lq.shape == target.shape == (3, 64, 64)
        assert sigma.shape == ()


def flat_photo(h: int = 192, w: int = 256) -> np.ndarray:
    """Smooth shapes."""
    small = Image.fromarray(make_photo(h, w)).resize((w // 16, h // 16))
    return np.asarray(small.resize((w, h), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_benchmark_draws_is_decided_by_its_seed_and_estimated(kind: str) -> None:
    gt = flat_photo()
    lq, again = (KINDS[kind](gt, np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(lq, again)
    true, told = suite.true_level(lq, gt), suite.judged_noisy(lq)
    assert 5 / 255 < true < 45 / 255
    assert told == pytest.approx(true, rel=0.6)


def test_a_smooth_picture_has_no_surface() -> None:
    assert estimate(flat_photo().transpose(2, 0, 1)).surface_255 < 3


def test_strong_colours_have_their_channels_elsewhere() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8) + np.array([120, 100, 100], np.uint8)
    red, green, blue = strong(pixels)[0, 0].astype(int)
    assert green > max(red, blue) + 30


def test_the_suite_measures_and_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "BSD100" / "cbsd68"
    folder.mkdir(parents=True)
    for index in range(2):
        Image.fromarray(make_photo(64, 80, index)).save(folder / f"{index}.png")
    monkeypatch.setattr(suite, "load_denoiser", lambda _: lambda noisy, _: noisy.clip(0, 1))
    result = suite.measure(tmp_path)
    assert set(result["surfaces"]) == set(KINDS)
    assert all(found["gain_db"]["mean"] == 0 for found in result["surfaces"].values())
    text = report_noise.surfaces(json.loads(json.dumps(result)))
    assert text.startswith("## ")
    assert "| linen |" in text
    assert "| sigma_255 25 |" in text
