"""Layers of film damage: what each covers, how it is worn and blurred, and where stamps are laid."""

import pytest
import torch
from torch import Tensor

from training.degradations.damage import DAMAGED, layers
from training.degradations.damage.recipes import DEFAULT_RECIPE, MODERATE_RECIPE, DamageRecipe
from training.degradations.sources import STAMP_KINDS, DamageSources


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def sources() -> DamageSources:
    stamp = torch.zeros(2, 256, 256, dtype=torch.uint8)
    stamp[:, 96:160, 96:160] = 255  # a square of a quarter of the side
    scan = torch.zeros(600, 800, dtype=torch.uint8)
    scan[200:230] = 255
    return DamageSources(dict.fromkeys(STAMP_KINDS, stamp), (scan,), (torch.zeros(3, 8, 8).byte(),))


@pytest.mark.parametrize("recipe", [DEFAULT_RECIPE, MODERATE_RECIPE])
def test_a_layer_is_coverage_of_the_pictures_size_and_repeats_by_its_seed(
    sources: DamageSources, recipe: DamageRecipe
) -> None:
    covered = []
    for seed in range(40):
        coverage = layers.draw_layer(90, 130, sources, recipe, seeded(seed))
        assert coverage.shape == (1, 90, 130)
        assert 0 <= float(coverage.min()) <= float(coverage.max()) <= 1
        assert torch.equal(coverage, layers.draw_layer(90, 130, sources, recipe, seeded(seed)))
        covered.append(float((coverage > DAMAGED).float().mean()))
    assert sum(share > 0 for share in covered) > 30
    assert sum(covered) / len(covered) < 0.5


@pytest.mark.parametrize("kind", range(4))
def test_kinds_of_layers_are_drawn_as_often_as_they_weigh(
    kind: int, sources: DamageSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    names = ("_stamp_layer", "_scan_layer", "_stroke_layer", "_stain_layer")
    for number, name in enumerate(names):

        def draw(h: int, w: int, *_: object, number: int = number) -> Tensor:
            drawn.append(number)
            return torch.ones(1, h, w)

        monkeypatch.setattr(layers, name, draw)
    rng = seeded()
    for _ in range(600):
        layers.draw_layer(4, 4, sources, DEFAULT_RECIPE, rng)
    assert drawn.count(kind) / 600 == pytest.approx(layers.LAYER_WEIGHTS[kind], abs=0.06)


def test_stains_stay_below_what_counts_as_damage(sources: DamageSources) -> None:
    for seed in range(20):
        coverage = layers._stain_layer(80, 80, sources.stamps["stain"], seeded(seed))
        assert not (coverage > DAMAGED).any()


def test_a_stamp_is_laid_turned_scaled_and_cut_at_the_borders() -> None:
    stamp = torch.zeros(256, 256, dtype=torch.uint8)
    stamp[64:192, 64:192] = 255
    areas, touches = [], 0
    for seed in range(60):
        canvas = torch.zeros(100, 120)
        layers._paste(canvas, stamp, 0.25, seeded(seed))  # 64 px, of which the middle half is covered
        areas.append(float(canvas.sum()))
        touches += bool(canvas[0].any() or canvas[-1].any() or canvas[:, 0].any() or canvas[:, -1].any())
    assert max(areas) == pytest.approx(32**2, rel=0.1)
    assert min(areas) < 0.9 * 32**2
    assert 5 < touches < 55


def test_what_lies_there_already_is_not_erased_by_a_stamp() -> None:
    canvas = torch.full((64, 64), 0.4)
    layers._paste(canvas, torch.zeros(256, 256, dtype=torch.uint8), 0.25, seeded())
    assert torch.equal(canvas, torch.full((64, 64), 0.4))


def test_of_a_label_map_a_place_with_damage_is_taken(sources: DamageSources) -> None:
    found = [float(layers._scan_layer(60, 60, sources.scans, seeded(seed)).sum()) for seed in range(40)]
    assert sum(value > 0 for value in found) > 20  # of places drawn but once some ten would show it


def test_blurred_coverage_keeps_its_sum_away_from_the_borders() -> None:
    coverage = torch.zeros(1, 9, 9)
    coverage[:, 4, 4] = 1
    blurred = layers._blur_rows(coverage, 0.5)
    assert blurred[0, 4, 3:6].tolist() == [0.25, 0.5, 0.25]
    assert float(blurred.sum()) == 1
    both = layers._blur_rows(blurred.mT, 0.5).mT
    assert float(both[0, 3, 3]) == pytest.approx(0.25**2)


@pytest.mark.parametrize(("worn", "is_whole"), [(0.0, True), (1.0, False)])
def test_a_worn_layer_is_gone_in_places(worn: float, is_whole: bool) -> None:
    recipe = DamageRecipe(worn=worn)
    least = [
        float(layers._soften(torch.ones(1, 96, 96), recipe, seeded(seed))[:, 4:-4, 4:-4].min())
        for seed in range(6)
    ]
    assert (min(least) > 0.99) == is_whole
    assert (max(least) < 0.5) == (not is_whole)
