"""Pictures are cut, scaled and framed, and random fields drawn, all from `rng`."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from training.degradations.canvas import coverage_of, new_canvas
from training.degradations.fields import clouds, normal_field, smooth_line, smooth_noise
from training.degradations.framing import any_part, any_size, bordered, scaled, soft_scene

H, W = 90, 130


def rng_of(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photo(seed: int = 0, h: int = H, w: int = W) -> Tensor:
    return torch.rand(3, h, w, generator=rng_of(seed)) * 0.5 + 0.2


DRAWN: dict[str, Callable[[torch.Generator], Tensor]] = {
    "bordered": lambda rng: bordered(photo(), rng),
    "any part": lambda rng: any_part(photo(), rng),
    "scene": lambda rng: soft_scene(H, W, rng),
    "smooth noise": lambda rng: smooth_noise(H, W, 20, rng),
    "clouds": lambda rng: clouds(H, W, 20, rng),
    "normal field": lambda rng: normal_field(H, W, 8, rng),
}


@pytest.mark.parametrize("name", DRAWN)
def test_the_same_seed_draws_the_same_and_another_one_something_else(name: str) -> None:
    draw = DRAWN[name]
    first = draw(rng_of(3))
    assert torch.equal(first, draw(rng_of(3)))
    others = [draw(rng_of(seed)) for seed in range(4, 8)]
    assert any(other.shape != first.shape or not torch.equal(other, first) for other in others)


@pytest.mark.parametrize("seed", range(20))
def test_a_framed_picture_is_whole_within_its_frame(seed: int) -> None:
    framed, image = bordered(photo(), rng_of(seed)), photo()
    _, high, wide = framed.shape
    side = (wide - W) // 2
    assert wide == W + 2 * side
    assert 1 <= side <= 0.12 * H + 2
    assert side <= high - H - side <= 4 * side + 1, "wider below at most, as an instant print's"
    assert torch.equal(framed[:, side : side + H, side : side + W], image)
    assert 0 <= float(framed.min()) <= float(framed.max()) <= 1


@pytest.mark.parametrize("seed", range(10))
def test_a_part_is_of_the_photograph_and_not_too_small(seed: int) -> None:
    rows, columns = torch.meshgrid(torch.arange(200.0), torch.arange(300.0), indexing="ij")
    part = any_part(torch.stack([rows, columns, rows]), rng_of(seed))
    _, h, w = part.shape
    assert (h >= 96, w >= 96) == (True, True)
    assert (part[0].diff(dim=0) == 1).all()
    assert set(part[1].diff(dim=1).unique().tolist()) in ({1.0}, {-1.0}), "as it was, or flipped"


def test_a_part_of_a_small_photograph_is_all_of_its_short_side() -> None:
    assert any_part(photo(h=50, w=60), rng_of(0)).shape == (3, 50, 60)


@pytest.mark.parametrize(
    ("h", "w", "long_side_px", "expected"),
    [
        (200, 400, 300, (150, 300)),
        (400, 200, 300, (300, 150)),
        (200, 400, 400, (200, 400)),
        (200, 400, 5000, (320, 640)),  # not more than 1.6 times
        (200, 400, 100, (96, 192)),  # not below 96 px
    ],
)
def test_scaling_keeps_the_shape_and_its_bounds(
    h: int, w: int, long_side_px: int, expected: tuple[int, int]
) -> None:
    image = photo(h=h, w=w)
    small = scaled(image, long_side_px)
    assert small.shape[1:] == expected
    assert float((small.mean((1, 2)) - image.mean((1, 2))).abs().max()) < 0.01


def test_sizes_lie_upright_and_across_alike() -> None:
    sizes = [any_size(rng_of(seed)) for seed in range(200)]
    assert 0.35 < sum(h > w for h, w in sizes) / 200 < 0.65
    assert all(0.54 < min(size) / max(size) <= 1 for size in sizes)


@pytest.mark.parametrize("cell_px", [3, 20, 500])
def test_smooth_noise_is_in_range_and_as_smooth_as_asked(cell_px: float) -> None:
    field = smooth_noise(H, W, cell_px, rng_of(1))
    assert field.shape == (H, W)
    assert 0 <= float(field.min()) <= float(field.max()) <= 1
    assert float(field.diff(dim=1).abs().max()) < 3 / cell_px + 0.05


def test_values_along_a_line_depend_on_the_place_along_it_alone() -> None:
    along = torch.arange(-20.0, 30.0).expand(10, 50)
    values = smooth_line(along, 8, rng_of(2))
    assert values.shape == along.shape
    assert torch.equal(values, values[:1].expand(10, 50))
    assert float(values.std()) > 0.05


def test_a_field_has_unit_variance_at_its_nodes() -> None:
    field = normal_field(800, 800, 8, rng_of(0))
    assert field.shape == (1, 800, 800)
    assert float(field.mean()) == pytest.approx(0, abs=0.05)
    assert 0.5 < float(field.var()) < 1.1, "less between them"


def test_what_is_drawn_at_twice_the_size_covers_its_share() -> None:
    image, pen = new_canvas(10, 20)
    assert image.size == (40, 20)
    pen.rectangle((0, 0, 19, 9), fill=255)
    pen.rectangle((20, 0, 20, 9), fill=255)
    coverage = coverage_of(image)
    assert coverage.shape == (1, 10, 20)
    assert (coverage[0, :5, :10] == 1).all()
    assert coverage[0, :5, 10].tolist() == pytest.approx([0.5] * 5, abs=0.01)
    assert not coverage[0, 5:].any()
