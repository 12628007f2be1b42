"""A network is fitted to one picture, and makes what is likely there."""

import pytest
import torch

from photorestore.fidelity import psnr
from photorestore.networks import deep_prior
from photorestore.networks.deep_prior import restore, steps_for
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


def test_a_step_may_raise_to_stop() -> None:
    def step(number: int, steps: int) -> None:
        if number == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        restore(photo(), everywhere(photo()), step)


def test_large_pictures_get_fewer_steps() -> None:
    assert steps_for(128 * 128) == deep_prior.STEPS
    assert deep_prior.LEAST_STEPS <= steps_for(2**18) < deep_prior.STEPS
