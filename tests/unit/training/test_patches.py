import pytest
import torch
from torch import Tensor

from training.data import worker_batches
from training.degradations.resize import shrink
from training.patches import PatchBank


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photos() -> list[torch.Tensor]:
    generator = rng(9)
    return [
        torch.randint(0, 256, (3, h, w), dtype=torch.uint8, generator=generator)
        for h, w in ((49, 66), (80, 41), (64, 64))
    ]


@pytest.mark.parametrize("scale", [2, 4])
def test_pairs_have_their_sizes_and_are_decided_by_their_seed(scale: int) -> None:
    bank = PatchBank(photos(), (2, 4), "cpu")
    lr, hr = bank.draw(scale, 8, 5, rng(1))
    assert lr.shape == (5, 3, 8, 8)
    assert hr.shape == (5, 3, 8 * scale, 8 * scale)
    assert all(torch.equal(a, b) for a, b in zip((lr, hr), bank.draw(scale, 8, 5, rng(1)), strict=True))
    assert not torch.equal(lr, bank.draw(scale, 8, 5, rng(2))[0])


@pytest.mark.parametrize("scale", [2, 4])
def test_both_of_a_pair_show_the_same_place_turned_alike(scale: int) -> None:
    """Away from its border a large patch, shrunk by itself, is the small one."""
    lr, hr = PatchBank(photos(), (2, 4), "cpu").draw(scale, 9, 40, rng())
    for small, large in zip(lr, hr, strict=True):
        again = shrink(large, scale)[:, 2:-2, 2:-2]
        assert (again - small[:, 2:-2, 2:-2]).abs().max() < 1.01 / 255


def test_patches_come_from_everywhere_and_in_all_eight_positions() -> None:
    plane = torch.arange(16 * 16, dtype=torch.uint8).view(1, 16, 16).expand(3, -1, -1)
    _, hr = PatchBank([plane], (2,), "cpu").draw(2, 2, 400, rng())
    values = (hr[:, 0] * 255).round().long()
    assert values.min() == 0
    assert values.max() == 255
    steps = {(int(patch[0, 1] - patch[0, 0]), int(patch[1, 0] - patch[0, 0])) for patch in values}
    assert steps == {(a, b) for a, b in [(1, 16), (16, 1)] for a, b in [(a, b), (-a, b), (a, -b), (-a, -b)]}


def count_up(generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    return (torch.rand(3, generator=generator),)


@pytest.mark.parametrize("workers", [0, 1])
def test_worker_batches_are_decided_by_their_seed(workers: int) -> None:
    def first_two(seed: int) -> list[Tensor]:
        batches = worker_batches(count_up, seed, workers, "cpu")
        return [next(batches)[0], next(batches)[0]]

    one, same, other = first_two(1), first_two(1), first_two(2)
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one[0], one[1])
    assert not torch.equal(one[0], other[0])
