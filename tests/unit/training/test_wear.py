"""Faults that are added to pictures of the judgement, and what is known of them afterwards."""

import pytest
import torch

from training.judged import MAKERS, wear
from training.judged.pictures import UNKNOWN, Judged


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 0.0), (0.0003, 0.0), (0.001, UNKNOWN), (0.01, 1.0), (1.0, 1.0)]
)
def test_hardly_any_damage_is_none_and_a_little_is_nobodys_guess(share: float, expected: float) -> None:
    alpha = torch.zeros(1, 100, 100)
    alpha.view(-1)[: round(share * 10_000)] = 0.5
    assert wear.is_damaged(alpha) == expected
    assert wear.is_damaged(alpha / 4) == 0  # too faint to see


def test_fading_is_known_where_it_is_strong_and_no_fading_where_it_is_weak() -> None:
    image = torch.linspace(0, 1, 64).expand(3, 64, 64)
    seen: dict[float, list[float]] = {0.0: [], 1.0: [], UNKNOWN: []}
    for seed in range(60):
        faded, told = wear.add_fading(image, torch.Generator().manual_seed(seed))
        seen[told].append(float(faded.amax() - faded.amin()))
    assert min(seen[0.0]) > max(seen[1.0])
    assert len(seen[1.0]) > len(seen[0.0]) > 0
    assert seen[UNKNOWN]


@pytest.mark.parametrize(("contrast", "expected"), [(0.4, 1.0), (0.7, UNKNOWN), (0.95, 0.0)])
def test_a_real_print_is_faded_by_its_contrast(contrast: float, expected: float) -> None:
    image = 0.5 + contrast * (torch.linspace(0, 1, 256).view(1, 16, 16).expand(3, 16, 16) - 0.5)
    image = image.repeat(1, 8, 8)
    assert wear.is_faded(Judged(image, 1)) == expected
    assert wear.is_faded(Judged(image, 1, faded=1.0)) == 1  # on purpose


@pytest.mark.parametrize("kind", range(len(MAKERS)))
def test_a_stored_picture_has_8_bits_and_keeps_its_kind(kind: int) -> None:
    picture = Judged(torch.rand((3, 60, 80), generator=torch.Generator().manual_seed(0)) * 1.2 - 0.1, kind)
    sizes = set()
    for seed in range(30):
        stored = wear.stored(picture, torch.Generator().manual_seed(seed))
        levels = stored.image * 255
        assert 0 <= float(levels.min()) <= float(levels.max()) <= 255
        torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
        assert stored.kind == kind
        assert stored.noisy in (0.0, 1.0, UNKNOWN)
        sizes.add(tuple(stored.image.shape))
    assert (3, 60, 80) in sizes
    assert len(sizes) > 1  # some have a border


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (0.0, 0.0, 0.0),
        (1.0, 0.0, 1.0),
        (UNKNOWN, 1.0, 1.0),
        (UNKNOWN, 0.0, UNKNOWN),  # what was added does not show, and of the print itself nobody knows
        (UNKNOWN, UNKNOWN, UNKNOWN),
    ],
)
def test_of_two_faults_one_is_enough_and_none_takes_both(
    first: float, second: float, expected: float
) -> None:
    assert wear.either(first, second) == wear.either(second, first) == expected


@pytest.mark.parametrize(("strength_255", "expected"), [(2.0, 0.0), (5.0, UNKNOWN), (20.0, 1.0)])
def test_grain_shows_from_some_levels_on_and_makes_a_photograph_doubtful(
    strength_255: float, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wear, "log_uniform", lambda *_: strength_255)
    grainy = wear.add_noise(
        Judged(torch.full((3, 40, 40), 0.5), 0), torch.Generator().manual_seed(0), grain=1
    )
    assert grainy.noisy == expected
    assert grainy.kind == (0 if strength_255 <= 4 else -1)
    assert 255 * float(grainy.image.std()) == pytest.approx(strength_255, rel=0.25)


def test_what_was_noisy_before_stays_so() -> None:
    noisy = Judged(torch.full((3, 40, 40), 0.5), 1, noisy=1.0)
    told = {wear.add_noise(noisy, torch.Generator().manual_seed(seed)).noisy for seed in range(40)}
    assert told <= {1.0, UNKNOWN}
