"""Networks are fitted to one picture, and make what is likely there."""

import gc
import weakref

import pytest
import torch

from photorestore.fidelity import psnr
from photorestore.long_work import LARGEST_PX
from photorestore.networks import deep_prior
from photorestore.networks.deep_prior import DeepPrior, restore, steps_for
from tests.conftest import make_photo


def photo(height: int = 40, width: int = 51) -> torch.Tensor:
    return torch.from_numpy(make_photo(height, width).copy()).permute(2, 0, 1)[None].float() / 255


def everywhere(image: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(image[:, :1], dtype=torch.bool)


def unseen(number: int, steps: int) -> None:
    pass


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep_prior, "STEPS", 6)
    monkeypatch.setattr(deep_prior, "LEAST_STEPS", 4)


@pytest.fixture
def short(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two fits of six steps each."""
    monkeypatch.setattr(deep_prior, "STEPS", 12)
    monkeypatch.setattr(deep_prior, "LOOK_EVERY", 6)
    monkeypatch.setattr(deep_prior, "PATIENCE", 0)


def test_holes_are_filled_by_what_surrounds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep_prior, "STEPS", 150)
    gt = photo()[:, :1]
    known = torch.rand(gt.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    result = restore(gt * known, known, unseen)
    mean = torch.where(known, gt, gt[known].mean())
    assert psnr(result, gt) > psnr(mean, gt) + 3


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(("size", "scale"), [((1, 1), 1), ((1, 1), 4), ((7, 65), 1), ((33, 12), 2)])
def test_all_sizes_are_enlarged_as_told(size: tuple[int, int], scale: int) -> None:
    seen = photo(*size)
    result = restore(seen, everywhere(seen), unseen, scale)
    assert result.shape == (1, 3, scale * size[0], scale * size[1])
    assert result.isfinite().all()
    assert 0 <= float(result.min()) <= float(result.max()) <= 1


@pytest.mark.usefixtures("few")
def test_a_result_repeats_and_others_draw_what_they_would_have_drawn() -> None:
    seen = photo()
    torch.manual_seed(3)
    with torch.inference_mode():
        first = restore(seen, everywhere(seen), unseen)
    drawn = torch.rand(1)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    second = restore(seen, everywhere(seen), unseen)
    torch.set_num_threads(threads)
    torch.manual_seed(3)
    assert torch.equal(first, second)
    assert torch.equal(drawn, torch.rand(1))


@pytest.mark.usefixtures("few")
def test_a_picture_of_which_nothing_is_known_does_no_harm() -> None:
    seen = photo(9, 9)
    assert restore(seen, ~everywhere(seen), unseen).isfinite().all()


@pytest.mark.usefixtures("short")
def test_a_result_is_the_mean_of_fits_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, alone = photo(), list[torch.Tensor]()
    together = [restore(seen, everywhere(seen), unseen) for _ in range(2)]
    for first in deep_prior.FITS:
        monkeypatch.setattr(deep_prior, "FITS", (first,))
        alone.append(restore(seen, everywhere(seen), unseen))
    assert len(alone) == 2
    assert not torch.equal(*alone)
    assert torch.equal(*together)
    assert torch.equal(together[0], (alone[0] + alone[1]) / 2)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(("steps", "done"), [(5, 5), (6, 6), (8, 6), (9, 9), (12, 12), (30, 12)])
def test_another_fit_begins_where_half_of_the_steps_are_left_for_it(
    steps: int, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deep_prior, "STEPS", steps)
    told = list[tuple[int, int]]()
    restore(photo(), everywhere(photo()), lambda number, most: told.append((number, most)))
    assert told == [(number, steps) for number in range(1, done + 1)]


@pytest.mark.usefixtures("short")
def test_a_fit_keeps_nothing_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    alive = weakref.WeakSet[torch.nn.Module]()
    counts = list[int]()

    class Counted(DeepPrior):
        def __init__(self, channels: int) -> None:
            super().__init__(channels)
            alive.add(self)

    def step(number: int, steps: int) -> None:
        if number == 7:
            gc.collect()  # the first optimiser of a process is in a cycle with the frame that loads its module
            counts.append(len(alive))

    monkeypatch.setattr(deep_prior, "DeepPrior", Counted)
    restore(photo(), everywhere(photo()), step)
    assert counts == [1]


def test_fitting_ends_when_the_held_out_pixels_are_matched_no_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep_prior, "LOOK_EVERY", 2)
    monkeypatch.setattr(deep_prior, "PATIENCE", 3)
    numbers = list[int]()

    def step(number: int, steps: int) -> None:
        assert steps == steps_for(33 * 33)
        numbers.append(number)

    noise = torch.rand(1, 1, 33, 33, generator=torch.Generator().manual_seed(0))
    restore(noise, everywhere(noise), step)
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) < steps_for(33 * 33)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("last", [3, 9])
def test_a_step_of_either_fit_may_raise_to_stop(last: int) -> None:
    numbers = list[int]()

    def step(number: int, steps: int) -> None:
        numbers.append(number)
        if number == last:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        restore(photo(), everywhere(photo()), step)
    assert numbers == list(range(1, last + 1))


def test_large_pictures_get_fewer_steps_and_none_takes_much_longer() -> None:
    assert steps_for(1) == steps_for(128 * 128) == deep_prior.STEPS
    assert steps_for(LARGEST_PX) == deep_prior.LEAST_STEPS
    for side in range(1, 513):
        assert steps_for(side**2) * side**2 <= deep_prior.LEAST_STEPS * LARGEST_PX
