"""How a network from elsewhere may be run is measured in what it does."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore_import import measuring
from photorestore_import.measuring import (
    Function,
    felt_reach_of,
    measure,
    period_of,
    reach_of,
    repeats,
    tiled_levels,
)


def blur(image: Tensor, columns_px: int = 3, rows_px: int = 2) -> Tensor:
    """The mean of as many columns and rows on each side."""
    kernel = torch.full(
        (3, 1, 2 * rows_px + 1, 2 * columns_px + 1), 1 / (2 * rows_px + 1) / (2 * columns_px + 1)
    )
    return F.conv2d(
        F.pad(image, (columns_px, columns_px, rows_px, rows_px), mode="replicate"), kernel, groups=3
    )


def windows(image: Tensor) -> Tensor:
    """Each square of 8 px takes its mean, after padding as such networks pad."""
    height, width = image.shape[-2:]
    padded = F.pad(image, (0, -width % 8, 0, -height % 8), mode="replicate")
    mean = F.interpolate(F.avg_pool2d(padded, 8), scale_factor=8, mode="nearest")
    return (padded + mean)[..., :height, :width] / 2


def globally(image: Tensor) -> Tensor:
    """All pixels take the mean of the picture."""
    return (image + image.mean((2, 3), keepdim=True)) / 2


def enlarged(image: Tensor) -> Tensor:
    return F.interpolate(blur(image), scale_factor=2, mode="nearest")


@pytest.mark.parametrize("columns_px", [0, 3, 63, 64, 200])
def test_the_reach_is_exact_however_far(columns_px: int) -> None:
    assert reach_of(lambda image: blur(image, columns_px, 0), 1) == columns_px
    assert reach_of(lambda image: blur(image, 0, min(columns_px, 63)), 1) == min(columns_px, 63)


def test_who_looks_everywhere_has_no_reach() -> None:
    assert reach_of(globally, 1) is None
    assert measure(globally, 1, 4).reach_px is None
    assert (measure(globally, 1, 4).stride, measure(globally, 1, 4).tiled_levels) == (4, None)


def test_a_reach_is_that_of_the_picture_not_of_the_result() -> None:
    assert reach_of(enlarged, 2) == 3
    assert felt_reach_of(enlarged, 2) == 3


def test_what_moves_the_result_by_nothing_that_is_seen_is_not_felt() -> None:
    def faintly(image: Tensor) -> Tensor:
        return blur(image) + 1e-5 * blur(image, 40, 0)

    assert (reach_of(faintly, 1), felt_reach_of(faintly, 1)) == (40, 3)


def test_periods() -> None:
    assert period_of(blur, 1, 3, 1e-4) == 1
    assert period_of(windows, 1, 8, 1e-4) == 8


def test_a_convolution_is_cut_into_tiles_without_a_trace() -> None:
    found = measure(blur, 1, 1)
    assert (found.exact_reach_px, found.reach_px, found.stride) == (3, 3, 1)
    assert found.tiled_levels is not None
    assert found.tiled_levels < 0.01
    assert found.bfloat16_db > 40


@pytest.mark.parametrize(("multiple", "stride"), [(1, 8), (6, 24)])
def test_windows_give_the_stride_with_what_sides_must_be(multiple: int, stride: int) -> None:
    found = measure(windows, 1, multiple)
    assert (found.stride, found.tiled_levels) == (stride, 0)


def test_a_halo_that_is_too_small_shows_and_leads_to_whole_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    def sharply(image: Tensor) -> Tensor:
        return (8 * blur(image, 20, 20) - 3).clamp(0, 1)

    assert tiled_levels(sharply, 1, 4, 1) > 1
    assert tiled_levels(sharply, 1, 20, 1) < 0.01
    monkeypatch.setattr(measuring, "reach_of", lambda *_: 4)
    monkeypatch.setattr(measuring, "period_of", lambda *_: 1)
    found = measure(sharply, 1, 1)
    assert found.reach_px is None
    assert found.tiled_levels is not None
    assert found.tiled_levels > 1


def test_a_far_exact_reach_gives_way_to_the_felt_one() -> None:
    found = measure(lambda image: blur(image) + 1e-6 * blur(image, 300, 0), 1, 1)
    assert (found.exact_reach_px, found.reach_px) == (300, 3)


@pytest.mark.parametrize("network", [blur, globally])
def test_one_that_cannot_compute_in_bfloat16_is_known(network: Function) -> None:
    def refuses(image: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("expected scalar type Float")
        return network(image)

    assert measuring.bfloat16_of(refuses, measuring.made(16, 16)) == -math.inf


def test_chance_is_noticed() -> None:
    image = measuring.made(16, 16)
    assert repeats(blur, image)
    assert not repeats(lambda image: image + torch.rand_like(image), image)
