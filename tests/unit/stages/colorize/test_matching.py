import pytest
import torch
from torch.nn import functional as F

from photorestore.pixels.lab import lab_of
from photorestore.stages.colorize.matching import match
from photorestore.stages.colorize.sight import FEATURES, Seen
from tests.conftest import make_photo


def see(view: torch.Tensor) -> Seen:
    """What is seen: values of the surroundings, by fixed random weights."""
    rng = torch.Generator().manual_seed(0)
    return [
        F.conv2d(view, torch.randn(channels, 1, stride, stride, generator=rng), stride=stride)
        for stride, channels in FEATURES.items()
    ]


@pytest.fixture
def photo() -> torch.Tensor:
    noise = F.interpolate(torch.rand(1, 3, 24, 24), (96, 96), mode="bilinear")
    smooth = torch.from_numpy(make_photo(96, 96)).permute(2, 0, 1)[None].float() / 255
    return lab_of(0.5 * noise + 0.5 * smooth)


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_a_turned_reference_gives_the_colours_back(photo: torch.Tensor, turns: int) -> None:
    matched = match(see, photo[:, :1], photo.rot90(turns, (-2, -1)).flip(-1))
    expected = F.avg_pool2d(photo[:, 1:], 4)
    assert float((matched.ab - expected).abs().mean()) < 0.3 * float(expected.abs().mean())
    assert matched.alike == 1


def test_more_light_in_the_reference_makes_no_stronger_colours(photo: torch.Tensor) -> None:
    brighter = photo.clone()
    brighter[:, :1] = 1.2 * (photo[:, :1] + 16) - 16
    brighter[:, 1:] *= 1.2
    expected = F.avg_pool2d(photo[:, 1:], 4)
    matched = match(see, photo[:, :1], brighter)
    assert float((matched.ab - expected).abs().mean()) < 0.1 * float(expected.abs().mean())
