"""What is taken off a print or spilled on it: where it lies, how much of it, and that the rest stays."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.conftest import make_photo
from training.degradations.prints import VISIBLE, damage_print, losses
from training.degradations.sources import PrintSources

Lose = Callable[[Tensor, PrintSources, torch.Generator], tuple[Tensor, Tensor]]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return torch.from_numpy(make_photo(100, 140)).permute(2, 0, 1).float() / 255


@pytest.fixture(scope="module")
def sources() -> PrintSources:
    crack = torch.zeros(320, 480, dtype=torch.uint8)
    crack[160:163] = 255
    return PrintSources((crack,))


def centre_of(cover: Tensor) -> tuple[float, float]:
    """Mean row and column of what is covered, as shares of the sides."""
    places = (cover[0] > 0.5).nonzero().float()
    rows, columns = places.mean(0) / torch.tensor(cover.shape[1:])
    return float(rows), float(columns)


def test_corners_and_edges_are_lost_at_the_border(sources: PrintSources) -> None:
    photo = torch.zeros(3, 640, 640)
    seen = set()
    for seed in range(40):
        _, alpha = losses.cut(photo, sources, seeded(seed))
        lost = alpha[0] > 0.5
        if not lost.any():
            continue
        assert not lost[300:340, 300:340].any()  # never in the middle
        rim = torch.cat([lost[0], lost[-1], lost[:, 0], lost[:, -1]])
        assert rim.any()
        rows, columns = centre_of(alpha)
        seen.add((round(2 * rows), round(2 * columns)))
    assert {(0, 1), (1, 0), (1, 2), (2, 1)} & seen  # edges
    assert {(0, 0), (0, 2), (2, 0), (2, 2)} & seen  # corners


@pytest.mark.parametrize(
    ("lose", "most"), [(losses.flaked, 0.35), (losses.speckled, 0.3), (losses.inked, 0.6)]
)
def test_most_of_the_print_stays(lose: Lose, most: float, photo: Tensor, sources: PrintSources) -> None:
    shares = []
    for seed in range(30):
        lq, alpha = lose(photo, sources, seeded(seed))
        assert (lq.shape, alpha.shape) == (photo.shape, (1, 100, 140))
        assert 0 <= float(alpha.min()) <= float(alpha.max()) <= 1
        shares.append(float((alpha > 0.5).float().mean()))
        again, same = lose(photo, sources, seeded(seed))
        assert torch.equal(lq, again)
        assert torch.equal(alpha, same)
    assert 0 < sum(shares) / len(shares) < most / 2
    assert max(shares) < most


def test_flakes_cover_the_share_that_was_drawn(photo: Tensor, sources: PrintSources) -> None:
    shares = [
        float((losses.flaked(photo, sources, seeded(seed))[1] > 0.5).float().mean()) for seed in range(60)
    ]
    assert min(shares) < 0.015
    assert 0.15 < max(shares) <= 0.305  # .2 to 30 %, by the quantile of a field


def test_specks_are_many_and_small(photo: Tensor, sources: PrintSources) -> None:
    import cv2

    sizes = []
    for seed in range(20):
        _, alpha = losses.speckled(photo, sources, seeded(seed))
        _, _, stats, _ = cv2.connectedComponentsWithStats((alpha[0] > 0.5).byte().numpy())
        sizes += stats[1:, cv2.CC_STAT_AREA].tolist()
    assert len(sizes) > 100
    assert sorted(sizes)[len(sizes) // 2] < 30


def test_some_drops_have_dried_to_rings(photo: Tensor, sources: PrintSources) -> None:
    import cv2

    rings = 0
    for seed in range(40):
        _, alpha = losses.inked(photo, sources, seeded(seed))
        _, hierarchy = cv2.findContours(
            (alpha[0] > 0.3).byte().numpy(), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE
        )
        rings += hierarchy is not None and bool((hierarchy[0, :, 3] >= 0).any())
    assert 3 <= rings <= 35


def test_all_ways_come_together_and_what_nobody_sees_is_no_damage(
    photo: Tensor, sources: PrintSources
) -> None:
    for seed in range(20):
        lq, alpha = damage_print(photo, sources, seeded(seed))
        changed = (lq - photo).abs().amax(0, keepdim=True)
        assert torch.equal(lq[(alpha == 0).expand_as(lq) & (changed < VISIBLE)],
                           photo[(alpha == 0).expand_as(photo) & (changed < VISIBLE)])  # fmt: skip
        assert not alpha[changed == 0].any()
        assert 0 <= float(lq.min()) <= float(lq.max()) <= 1
