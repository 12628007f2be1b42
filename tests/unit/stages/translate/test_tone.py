"""Lifting tone and colours: bounded, inside the border, at full depth."""

from typing import Any

import numpy as np
import pytest
import torch

from photorestore.networks.weights import load_network
from photorestore.pixels.region import Region, find_region
from photorestore.stages.translate.tone import correct, find_tone, is_toned
from photorestore.stages.translate.tone_network import ToneNetwork, apply, quantiles_of
from tests.conftest import make_photo
from tests.unit.pixels.test_region import framed, plane
from tests.unit.stages.preprocess.test_estimates import textured
from training.degradations import faded_tone


@pytest.fixture(scope="module")
def network() -> ToneNetwork:
    loaded = load_network("translate_tone")
    assert isinstance(loaded, ToneNetwork)
    return loaded


def lifted(network: ToneNetwork, image: np.ndarray, strength: float = 1.0, **asked: Any) -> np.ndarray:
    image = image.copy()
    tone = find_tone(
        network, image, asked.pop("region", Region.whole(image)), asked.pop("alpha", None), **asked
    )
    correct(image, tone, strength)
    return image


def grey() -> np.ndarray:
    return plane(textured()[..., :1].repeat(3, 2))


def faded(image: np.ndarray) -> np.ndarray:
    return (image * 0.4 + 90).astype(np.uint8)


def sepia(image: np.ndarray) -> np.ndarray:
    luma = image[:1] / 255
    return (255 * luma ** np.reshape((0.85, 1.0, 1.35), (3, 1, 1))).astype(np.uint8)


def error(image: np.ndarray, gt: np.ndarray) -> float:
    return float(np.square(image.astype(float) - gt).mean() ** 0.5)


def test_a_faded_picture_comes_nearer_to_what_it_was(network: ToneNetwork) -> None:
    for gt in (grey(), plane(textured(seed=3))):
        assert error(lifted(network, faded(gt)), gt) < 0.5 * error(faded(gt), gt)


def test_a_colour_that_bleached_is_brought_back(network: ToneNetwork) -> None:
    gt = plane(textured(seed=1))
    bleached = (gt * np.reshape((0.75, 0.5, 0.45), (3, 1, 1)) + np.reshape((50, 60, 40), (3, 1, 1))).astype(
        np.uint8
    )
    assert error(lifted(network, bleached, keeps_hue=False), gt) < 0.85 * error(bleached, gt)


def test_grey_stays_grey_to_the_bit(network: ToneNetwork) -> None:
    for image in (faded(grey()), faded(grey()).astype(np.uint16) * 257):
        out = lifted(network, image)
        assert (out == out[:1]).all()
        assert (out != image).any()


def hue_of(image: np.ndarray) -> np.ndarray:
    chroma = (image - image.astype(float).mean(0)).mean((1, 2))
    return chroma / np.linalg.norm(chroma)


def test_sepia_gains_contrast_and_keeps_its_hue(network: ToneNetwork) -> None:
    print_ = faded(sepia(grey()))
    out = lifted(network, print_)
    assert out.std() > 1.3 * print_.std()
    assert hue_of(out) @ hue_of(print_) > 0.98
    assert 0.4 < np.ptp(out.mean((1, 2))) / np.ptp(print_.mean((1, 2))) < 1.3


def test_pictures_of_one_hue_are_told_from_those_of_several() -> None:
    def asked(image: np.ndarray) -> bool:
        view = torch.from_numpy(image[None, :, ::4, ::5].copy()) / 255
        return is_toned(view, torch.ones(view.shape[2:], dtype=torch.bool))

    assert asked(grey())
    assert asked(faded(sepia(grey())))
    assert not asked(plane(make_photo(256, 320)))


@pytest.mark.parametrize("colour", [(0, 0, 0), (128, 128, 128), (200, 120, 90), (255, 255, 255)])
def test_a_picture_of_one_colour_stays(network: ToneNetwork, colour: tuple[int, int, int]) -> None:
    image = np.empty((3, 90, 120), np.uint8)
    image[:] = np.reshape(colour, (3, 1, 1))
    noisy = (image + np.random.default_rng(0).normal(0, 3, image.shape)).clip(0, 255).astype(np.uint8)
    for solid in (image, noisy):
        assert (lifted(network, solid) == solid).all()


def test_strength_blends(network: ToneNetwork) -> None:
    image = faded(plane(textured())).astype(np.uint16) * 257
    whole, half = (lifted(network, image, strength).astype(float) for strength in (1, 0.5))
    assert np.abs(half - (whole + image) / 2).max() <= 1
    assert (lifted(network, image, 0.0) == image).all()


def test_16_bits_are_corrected_as_8_bits_are_and_keep_their_steps(network: ToneNetwork) -> None:
    image = faded(plane(textured()))
    deep = image.astype(np.uint16) * 257
    assert np.abs(lifted(network, deep) / 257 - lifted(network, image)).max() <= 0.51
    ramp = np.linspace(24000, 44000, 3 * 200 * 300).reshape(3, 200, 300).astype(np.uint16)
    ramp[:] = ramp[:1]
    assert len(np.unique(lifted(network, ramp))) > 6_000


def test_hardly_a_pixel_is_clipped_that_was_not(network: ToneNetwork) -> None:
    rng = torch.Generator().manual_seed(5)
    gt = torch.from_numpy(np.stack([plane(textured(seed=seed)) for seed in range(6)])) / 255
    for lq in (255 * faded_tone.age(gt, rng)[0]).round().byte().numpy():
        out = lifted(network, lq)
        clipped = ((out == 255) & (lq < 250)) | ((out == 0) & (lq > 5))
        assert clipped.mean() < 0.002


def test_curves_rise(network: ToneNetwork) -> None:
    ramp = np.linspace(0, 255, 3 * 256).astype(np.uint8).reshape(3, 1, 256)
    tone = find_tone(network, faded(plane(textured())), Region(0, 0, 256, 320))
    assert (np.diff(tone.curves, axis=1) >= 0).all()
    correct(ramp, tone, 1.0)
    assert ramp.min() >= 0


def test_a_border_changes_nothing_inside(network: ToneNetwork) -> None:
    alone = faded(plane(textured()))
    image = framed(alone, (236, 226, 200), 30, 40, 30, 30)
    out = lifted(network, image, region=find_region(image))[:, 30:-40, 30:-30]
    assert error(out, lifted(network, alone)) < 4


def test_what_is_transparent_is_not_asked(network: ToneNetwork) -> None:
    image, alpha = faded(plane(textured())), np.full((1, 256, 320), 255, np.uint8)
    alpha[:, :, 200:] = 0
    other = image.copy()
    other[:, alpha[0] == 0] = 255
    out, out_other = (lifted(network, each, alpha=alpha) for each in (image, other))
    assert (out[:, :, :200] == out_other[:, :, :200]).all()


def test_strips_give_what_the_whole_gives(network: ToneNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    image = faded(plane(textured()))
    whole = lifted(network, image)
    monkeypatch.setattr("photorestore.pixels.bands.STRIP_PX", 3000)
    assert (lifted(network, image) == whole).all()


def test_planes_are_corrected_as_views_are_in_training(network: ToneNetwork) -> None:
    image = faded(plane(textured())).astype(np.uint16) * 257
    tone = find_tone(network, image, Region.whole(image), keeps_hue=False)
    view = torch.from_numpy(image[None] / np.float32(65535))
    small = torch.nn.functional.adaptive_avg_pool2d(view, 64)
    with torch.inference_mode():
        expected = apply(view, network(small, quantiles_of(small)))[0].numpy()
    correct(image, tone, 1.0)
    inner = (expected > 0.1) & (expected < 0.9)
    assert np.abs(image / 65535 - expected)[inner].max() < 0.02


@pytest.mark.parametrize("hw", [(1, 1), (2, 500), (40, 33)])
def test_any_size_is_corrected(network: ToneNetwork, hw: tuple[int, int]) -> None:
    image = faded(plane(make_photo(*hw)))
    assert lifted(network, image).shape == image.shape


def test_ageing_is_the_same_for_the_same_seed_and_leaves_its_input_alone() -> None:
    gt = torch.from_numpy(make_photo(64, 64)).permute(2, 0, 1)[None].repeat(8, 1, 1, 1) / 255
    before = gt.clone()
    first, second = (faded_tone.age(gt, torch.Generator().manual_seed(1)) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))
    assert torch.equal(gt, before)
    lq, target, known = first
    assert 0 <= lq.min() <= lq.max() <= 1
    assert lq.shape == target.shape == gt.shape
    assert set(known.unique().tolist()) <= {0.0, 1.0}
