"""Blind estimates on pictures whose faults are known."""

import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from photorestore.records import document_of, read_record
from photorestore.stages.preprocess.estimates import estimate
from photorestore.stages.preprocess.findings import Estimates
from tests.conftest import add_noise, make_photo
from training.degradations.noise import film_grain


def found(photo: np.ndarray) -> Estimates:
    return estimate(photo.transpose(2, 0, 1))


def textured(h: int = 256, w: int = 320, seed: int = 0) -> np.ndarray:
    """A photograph-like picture: smooth shapes, and coarse texture over half of it."""
    photo = make_photo(h, w, seed).astype(np.float32)
    texture = np.random.default_rng(seed).normal(0, 60, (h // 5, w // 10))
    coarse = np.asarray(
        Image.fromarray(texture.astype(np.float32)).resize((w // 2, h), Image.Resampling.BICUBIC)
    )
    photo[:, : w // 2] += coarse[..., np.newaxis]
    return photo.clip(0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("sigma_255", [5, 10, 15, 25, 50])
@pytest.mark.parametrize("seed", [0, 1])
def test_noise_is_measured(sigma_255: float, seed: int) -> None:
    estimates = found(add_noise(textured(seed=seed), sigma_255))
    assert estimates.sigma_255 == pytest.approx(sigma_255, rel=0.3)
    assert estimates.noisy is (sigma_255 >= 10)


@pytest.mark.parametrize("seed", range(4))
def test_texture_is_no_noise(seed: int) -> None:
    estimates = found(textured(seed=seed))
    assert not estimates.noisy
    assert estimates.sigma_255 < 5


def test_16_bits_are_measured_as_8_bits_are() -> None:
    photo = add_noise(textured(), 20)
    deep = estimate(photo.transpose(2, 0, 1).astype(np.uint16) * 257)
    assert deep == found(photo)


def test_noise_on_grey_is_measured() -> None:
    grey = add_noise(textured().mean(axis=2, keepdims=True).astype(np.uint8), 20).repeat(3, axis=2)
    estimates = found(grey)
    assert estimates.noisy
    assert estimates.is_grey


def test_enlarged_noise_is_found() -> None:
    noisy = Image.fromarray(add_noise(textured(), 30))
    enlarged = noisy.resize((noisy.width * 2, noisy.height * 2), Image.Resampling.BICUBIC)
    assert found(np.asarray(enlarged)).noisy
    clean = Image.fromarray(textured())
    assert not found(np.asarray(clean.resize(enlarged.size, Image.Resampling.BICUBIC))).noisy


@pytest.mark.parametrize("size_px", [0.5, 0.7])
def test_grain_is_measured(size_px: float) -> None:
    photo = torch.from_numpy(textured()).permute(2, 0, 1) / 255
    grainy = film_grain(photo, 20 / 255, size_px, torch.Generator().manual_seed(0)).clamp(0, 1)
    estimates = estimate((grainy * 255).round().byte().numpy())
    true_255 = 255 * float((grainy - photo).std())
    assert estimates.grain_255 == pytest.approx(true_255, rel=0.4)
    assert estimates.sigma_255 < 0.8 * true_255
    assert found(textured()).grain_255 < 6


def test_clipped_areas_do_not_hide_noise() -> None:
    photo = textured()
    photo[:, 100:] = 255
    assert found(add_noise(photo, 20)).noisy


def test_blur_is_told_from_sharpness() -> None:
    sharp = textured()
    blurred = np.asarray(Image.fromarray(sharp).filter(ImageFilter.GaussianBlur(3)))
    assert found(blurred).blur > found(sharp).blur + 0.1


def test_fading_needs_both_ends_lost() -> None:
    photo = np.linspace(0, 255, 256 * 256).reshape(256, 256, 1).repeat(3, 2)
    assert not found(photo.astype(np.uint8)).faded
    assert not found((photo * 0.3).astype(np.uint8)).faded
    assert not found((photo * 0.3 + 178).astype(np.uint8)).faded
    assert found((photo * 0.35 + 85).astype(np.uint8)).faded


def test_cast_names_the_channel() -> None:
    photo = textured().astype(np.float32)
    photo[..., 2] *= 0.6
    cast = found(photo.astype(np.uint8)).cast
    assert cast[2] < -0.1 < 0 < min(cast[0], cast[1])


def test_is_grey_by_the_pixels() -> None:
    grey = make_photo(64, 64)[..., :1].repeat(3, 2)
    assert found(grey).is_grey
    assert not found(make_photo(64, 64)).is_grey


@pytest.mark.parametrize("hw", [(1, 1), (5, 300), (31, 31), (32, 32), (33, 47)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_any_size_and_flat_pictures_are_estimated(hw: tuple[int, int], value: int) -> None:
    estimates = estimate(np.full((3, *hw), value, np.uint8))
    assert estimates.sigma_255 == 0
    assert not estimates.noisy


def test_estimates_are_plain_json_values() -> None:
    estimates = found(textured())
    assert read_record(Estimates, json.loads(json.dumps(document_of(estimates)))) == estimates
