import pytest
import torch
from torch.nn import functional as F

from photorestore.pixels.lab import lab_of
from photorestore.stages.colorize.matching import LEAST_ACCEPTED, Found, judged, match
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
    assert matched.accepted > 0.9


def test_more_light_in_the_reference_makes_no_stronger_colours(photo: torch.Tensor) -> None:
    brighter = photo.clone()
    brighter[:, :1] = 1.2 * (photo[:, :1] + 16) - 16
    brighter[:, 1:] *= 1.2
    expected = F.avg_pool2d(photo[:, 1:], 4)
    matched = match(see, photo[:, :1], brighter)
    assert float((matched.ab - expected).abs().mean()) < 0.1 * float(expected.abs().mean())


def test_a_reference_that_shows_something_else_is_refused(photo: torch.Tensor) -> None:
    other = lab_of(F.interpolate(torch.rand(1, 3, 40, 40), (96, 96), mode="bilinear"))
    matched = match(see, photo[:, :1], other)
    assert matched.accepted == 0
    assert float(matched.trust.max()) == 0


@pytest.mark.parametrize(
    ("strict", "lenient", "accepted"),
    [(0.01, 0.2, False), (0.02, 0.3, False), (0.13, 0.3, True), (0.4, 0.7, True)],
)
def test_trust_is_scaled_by_how_likely_a_reference_is_related(
    strict: float, lenient: float, accepted: bool
) -> None:
    found = Found(
        torch.zeros(1, 2, 4, 4), torch.full((1, 1, 4, 4), strict), torch.full((1, 1, 4, 4), lenient)
    )
    matched = judged(found)
    assert (matched.accepted >= LEAST_ACCEPTED) is accepted
    torch.testing.assert_close(matched.trust, matched.accepted * found.lenient)


@pytest.mark.parametrize("trust", [0.0, 1.0])
def test_trusts_may_be_whole(trust: float) -> None:
    everywhere = torch.full((1, 1, 4, 4), trust)
    assert judged(Found(torch.zeros(1, 2, 4, 4), everywhere, everywhere)).accepted == pytest.approx(
        trust, abs=0.01
    )
