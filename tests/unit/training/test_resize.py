import math

import numpy as np
import pytest
import torch

from training.degradations.noise import quantise
from training.degradations.resize import bicubic, bicubic_to, bicubic_weights, shrink


def keys(x: float) -> float:
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def resize_line(line: list[float], scale: float) -> list[float]:
    """`imresize` along one line, straight from its description: 1-based positions, mirrored ends."""
    length, result = len(line), []
    reach = 2 / min(1, scale)
    for place in range(1, math.ceil(length * scale) + 1):
        centre = place / scale + 0.5 * (1 - 1 / scale)
        total = weight_sum = 0.0
        for index in range(math.floor(centre - reach) - 1, math.ceil(centre + reach) + 2):
            mirrored = [*range(1, length + 1), *range(length, 0, -1)][(index - 1) % (2 * length)]
            weight = keys((centre - index) * min(1, scale))
            total += weight * line[mirrored - 1]
            weight_sum += weight
        result.append(total / weight_sum)
    return result


def resize_plainly(plane: np.ndarray, scale: float) -> np.ndarray:
    columns = np.array([resize_line(list(column), scale) for column in plane.T]).T
    return np.array([resize_line(list(row), scale) for row in columns])


@pytest.mark.parametrize("scale", [1 / 4, 1 / 3, 1 / 2, 0.7, 2, 4])
@pytest.mark.parametrize("hw", [(12, 24), (13, 7), (5, 40)])
def test_it_agrees_with_a_plain_implementation(hw: tuple[int, int], scale: float) -> None:
    plane = np.random.default_rng(0).random(hw)
    ours = bicubic(torch.from_numpy(plane)[None], scale)[0].numpy()
    np.testing.assert_allclose(ours, resize_plainly(plane, scale), atol=1e-9)


def test_halving_has_the_known_taps() -> None:
    """imresize(eye(16), 0.5): (-3 -9 29 111 111 29 -9 -3) / 256 in the middle."""
    row = bicubic_weights(16, 8, 0.5)[4]
    expected = torch.tensor([-3, -9, 29, 111, 111, 29, -9, -3], dtype=torch.float64) / 256
    assert torch.allclose(row[5:13], expected, atol=1e-12)
    assert row[:5].abs().max() == 0
    assert row[13:].abs().max() == 0


@pytest.mark.parametrize("scale", [1 / 4, 1 / 2, 2, 4])
def test_flat_pictures_stay_and_orientation_does_not_matter(scale: float) -> None:
    assert torch.allclose(bicubic(torch.full((3, 9, 14), 0.3), scale), torch.tensor(0.3), atol=1e-6)
    image = torch.rand(3, 16, 24)
    assert torch.allclose(bicubic(image, scale).flip(-1), bicubic(image.flip(-1), scale), atol=1e-6)
    assert torch.allclose(bicubic(image, scale).mT, bicubic(image.mT, scale), atol=1e-6)


def test_slopes_are_kept_away_from_the_borders() -> None:
    ramp = torch.arange(64.0).expand(1, 8, 64)
    small = bicubic(ramp, 1 / 4)[0, 0]
    assert torch.allclose(small[2:-2], 4 * torch.arange(2.0, 14.0) + 1.5, atol=1e-4)


def test_shrinking_suppresses_what_the_small_grid_cannot_hold() -> None:
    stripes = (torch.arange(64) % 2).float().expand(1, 64, 64)
    assert (bicubic(stripes, 1 / 4)[..., 2:-2, 2:-2] - 0.5).abs().max() < 0.02


def test_a_size_can_be_asked_for() -> None:
    assert bicubic_to(torch.rand(2, 3, 10, 11), (23, 5)).shape == (2, 3, 23, 5)


def test_small_pictures_are_stored_in_8_bits() -> None:
    lr = shrink(torch.rand(3, 32, 48), 4)
    assert lr.shape == (3, 8, 12)
    assert torch.equal(lr, quantise(lr))
    with pytest.raises(ValueError, match="multiples of 4"):
        shrink(torch.rand(3, 30, 48), 4)
