"""The experiment of three sites: their damages, and how its figures are told."""

import pytest
import torch

from tests.conftest import make_photo

pytest.importorskip("flwr", reason="Flower is not in this environment: `make federated` runs these tests")

from training.federated.experiment import ONE_PLACE, SITES, damaged, measure, table


@pytest.mark.parametrize("damage", [kind.damage for kind in SITES.values()])
def test_each_site_has_a_damage_of_its_own_that_repeats(damage: str) -> None:
    gt = torch.from_numpy(make_photo(64, 96)).movedim(-1, 0) / 255
    first, again = (damaged(gt, damage, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert first[0].shape == first[1].shape == gt.shape
    assert 0.01 < (first[0] - first[1]).square().mean().sqrt() < 0.25
    others = {kind.damage for kind in SITES.values()} - {damage}
    for other in others:
        assert not torch.equal(first[0], damaged(gt, other, torch.Generator().manual_seed(3))[0])


def test_what_is_measured_is_what_the_network_leaves() -> None:
    photos = [torch.from_numpy(make_photo(200, 240, seed)).movedim(-1, 0).contiguous() for seed in range(2)]
    as_it_is = measure(torch.nn.Identity(), photos, "grain")  # type: ignore[arg-type]
    grey = measure(torch.nn.Threshold(2, 0.5), photos, "grain")  # type: ignore[arg-type]
    assert as_it_is > 18
    assert grey < as_it_is - 3


def test_gains_are_shares_of_those_of_one_place_where_it_gains() -> None:
    first, second, third = SITES
    scores = {
        "begin": {first: 27.0, second: 23.0, third: 30.0},
        ONE_PLACE: {first: 29.0, second: 25.0, third: 29.5},
        "federated": {first: 28.0, second: 22.0, third: 29.0},
    }
    lines = table(scores).splitlines()
    assert lines[2:] == [
        "| begin | 27.00 | 23.00 | 30.00 |",
        "| one place | 29.00 (1.00) | 25.00 (1.00) | 29.50 |",
        "| federated | 28.00 (0.50) | 22.00 (-0.50) | 29.00 |",
    ]
