"""Haze: its model, how it is seen, and how it is lifted."""

import pytest
import torch

from photorestore.fidelity import psnr
from photorestore.stages.blend import Blend
from photorestore.stages.weather.dark_channel import LEAST_SHARE, TAKEN_SHARE, dark_channel, haze_of
from photorestore.stages.weather.hazing import clear, hazy
from photorestore.stages.weather.veil import Veil

FULLY = Blend(1.0, is_grey=False)


def dark_scene(h: int = 120, w: int = 160) -> torch.Tensor:
    """Strong colours beside black, in squares of 8 px: something is dark in every part."""
    colours = torch.rand(1, 3, h // 8, w // 8) * torch.tensor([1.0, 0.0]).repeat(h // 8, w // 16)
    return colours.repeat_interleave(8, 2).repeat_interleave(8, 3)


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_the_model_and_its_inverse_are_one_another(share: float) -> None:
    scene, air = torch.rand(2, 3, 8, 9), torch.tensor([0.9, 0.8, 0.7]).view(1, 3, 1, 1)
    through = torch.full((2, 1, 8, 9), share)
    seen = hazy(scene, through, air)
    torch.testing.assert_close(clear(seen, through, air), scene, atol=1e-3, rtol=0)
    torch.testing.assert_close(hazy(scene, torch.ones_like(through), air), scene, atol=1e-5, rtol=0)


def test_the_dark_channel_is_the_darkest_of_a_square() -> None:
    image = torch.rand(1, 3, 11, 13)
    found = dark_channel(image, 5)
    assert found.shape == (1, 1, 11, 13)
    assert float(found[0, 0, 5, 6]) == float(image[..., 3:8, 4:9].min())
    assert float(found[0, 0, 0, 12]) == float(image[..., :3, 10:].min())


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_even_haze_before_a_dark_scene_is_seen_and_lifted(share: float) -> None:
    scene, air = dark_scene(), torch.full((1, 3, 1, 1), 0.8)
    scene[..., :30, :30] = 1.0  # what is beyond the dark channel's squares, so that the air is seen
    through = torch.full_like(scene[:, :1], share)
    through[..., :30, :30] = 0.0
    seen = hazy(scene, through, air)
    found, light = haze_of(seen)
    torch.testing.assert_close(light, air, atol=0.02, rtol=0)
    assert float(found[..., 80, 100]) == pytest.approx(1 - TAKEN_SHARE * (1 - share), abs=0.03)
    assert float(found.min()) >= LEAST_SHARE
    lifted = Veil.of(seen, found, light).lifted(seen, 0, 120, FULLY)
    assert (
        psnr(lifted[..., 60:, 60:], scene[..., 60:, 60:])
        > psnr(seen[..., 60:, 60:], scene[..., 60:, 60:]) + 2
    )


def test_a_scene_with_something_black_everywhere_is_hardly_changed() -> None:
    scene = dark_scene()
    veil = Veil.of(scene, *haze_of(scene))
    assert veil.taken < 0.01
    assert psnr(veil.lifted(scene, 0, 120, FULLY), scene) > 40


def test_strips_give_what_the_whole_gives_and_strength_mixes() -> None:
    image = torch.rand(1, 3, 50, 70)
    veil = Veil.of(image, *haze_of(image))
    whole = veil.lifted(image, 0, 50, FULLY)
    parts = [veil.lifted(image[:, :, top : top + 16], top, 50, FULLY) for top in range(0, 50, 16)]
    torch.testing.assert_close(torch.cat(parts, 2), whole, atol=1e-5, rtol=0)
    half = veil.lifted(image, 0, 50, Blend(0.5, is_grey=False))
    torch.testing.assert_close(half, (image + whole) / 2)
    assert float(whole.min()) >= 0
    assert float(whole.max()) <= 1


def test_equal_channels_of_a_grey_picture_stay_equal() -> None:
    grey = torch.rand(1, 1, 40, 40).expand(-1, 3, -1, -1)
    lifted = Veil.of(grey, *haze_of(grey)).lifted(grey, 0, 40, Blend(1.0, is_grey=True))
    assert torch.equal(lifted[:, 0], lifted[:, 1])
    assert torch.equal(lifted[:, 0], lifted[:, 2])
