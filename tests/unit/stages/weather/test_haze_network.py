"""The network that sees haze."""

import pytest
import torch

from photorestore.networks.blocks import count_parameters
from photorestore.networks.weights import load_network
from photorestore.pixels.lab import linear_of
from photorestore.stages.weather.haze_network import LEAST_SHARE, NEAR_PX, HazeNetwork, near_mean, shown
from tests.conftest import make_photo
from training.degradations.weather import haze


def small() -> HazeNetwork:
    """A new network."""
    torch.manual_seed(0)
    return HazeNetwork((4, 8, 8, 8, 8)).requires_grad_(False)


def photo(h: int = 128, w: int = 160, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(make_photo(h, w, seed)).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("hw", [(32, 32), (64, 256), (192, 256)])
def test_what_it_gives_fits_the_view_and_the_model(hw: tuple[int, int]) -> None:
    seen = small()(torch.rand(2, 3, *hw))
    assert seen.share.shape == (2, 1, *hw)
    assert seen.air.shape == (2, 3, 1, 1)
    assert seen.presence.shape == (2,)
    for values in (seen.share, seen.air):
        assert float(values.min()) >= LEAST_SHARE - 1e-6
        assert float(values.max()) <= 1


def test_each_view_is_seen_by_itself() -> None:
    network, views = small(), torch.rand(3, 3, 64, 96)
    together, alone = network(views), network(views[1:2])
    torch.testing.assert_close(together.share[1:2], alone.share)
    torch.testing.assert_close(together.air[1:2], alone.air)
    torch.testing.assert_close(together.presence[1:2], alone.presence)


def test_nothing_is_taken_from_what_is_black_and_the_air_is_of_the_picture() -> None:
    view = torch.zeros(1, 3, 64, 64)
    view[:, 0, :, 32:] = 0.9  # red beside black: haze would make both paler
    seen = small()(view)
    assert float(seen.share.min()) == pytest.approx(1, abs=1e-5)
    assert float(seen.air[0, 0]) <= float(linear_of(view).max()) * 2.718**0.5
    assert float(seen.air[0, 1]) == pytest.approx(LEAST_SHARE)


def test_it_looks_at_colours_darkness_and_contrast() -> None:
    view = photo()
    maps = shown(view)
    assert maps.shape == (1, 7, 128, 160)
    torch.testing.assert_close(maps[:, :3], view - 0.5)
    square = view[..., 40 : 40 + NEAR_PX, 50 : 50 + NEAR_PX]
    middle = (40 + NEAR_PX // 2, 50 + NEAR_PX // 2)
    assert float(maps[0, 4, *middle]) == pytest.approx(float(square.min()) - 0.5, abs=1e-6)
    assert float(near_mean(view)[0, 0, *middle]) == pytest.approx(float(square[0, 0].mean()), abs=1e-5)
    faint = shown(0.5 + 0.5 * (view - 0.5))
    assert float(faint[:, 5].mean()) < float(maps[:, 5].mean()) - 0.1
    torch.testing.assert_close(faint[:, 6], maps[:, 6], atol=0.2, rtol=0)


def test_our_weights_are_small_and_tell_haze_from_none() -> None:
    network = load_network("weather_haze")
    assert count_parameters(network) < 400_000
    sure, rng = [], torch.Generator().manual_seed(3)
    with torch.inference_mode():
        for seed in range(6):
            clear = photo(256, 256, seed)
            hazy = haze(clear[0], rng)[0][None]
            sure.append(float(network(hazy).presence) - float(network(clear).presence))
    assert min(sure) > 0
