"""Pictures are mirrored beyond their borders, up to sizes whose spectra are computed fast."""

import pytest
import torch

from photorestore.pixels.optics import fast_length, mirrored


@pytest.mark.parametrize(
    ("length", "fast"), [(1, 1), (11, 12), (13, 14), (329, 336), (521, 525), (1024, 1024)]
)
def test_a_fast_length_is_the_next_one_of_small_factors(length: int, fast: int) -> None:
    assert fast_length(length) == fast


def test_pictures_are_mirrored_over_and_over() -> None:
    image = torch.arange(3.0).view(1, 1, 1, 3)
    assert mirrored(image, 5)[0, 0, 0].tolist() == [1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]


def test_what_makes_a_size_fast_lies_below_and_on_the_right() -> None:
    image = torch.rand(2, 1, 9, 13)
    plain, fast = mirrored(image, 2), mirrored(image, 2, is_fast=True)
    assert (plain.shape[2:], fast.shape[2:]) == ((13, 17), (14, 18))
    assert torch.equal(fast[..., :13, :17], plain)
