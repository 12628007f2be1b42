"""What tells related references from others, as it is fitted and tried."""

import pytest
import torch

from photorestore.stages.colorize.bins import cells_in_gamut
from photorestore.stages.colorize.matching import likelihood
from photorestore.stages.colorize.sight import Sight
from photorestore.stages.preprocess.scene_network import SceneTrunk
from training import tune_references as tune
from training.tune_references import DEGREES, Tried


def guess(view: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
    return torch.zeros(1, len(cells_in_gamut()), view.shape[-2] // 4, view.shape[-1] // 4)


@pytest.fixture(scope="module")
def see() -> Sight:
    torch.manual_seed(0)
    trunk = SceneTrunk().eval()
    return Sight(trunk.stem, trunk.groups)


def test_what_tells_them_apart_is_learned_however_rare_one_kind_is() -> None:
    rng = torch.Generator().manual_seed(0)
    related = [(float(torch.randn((), generator=rng)) + 2, 0.0) for _ in range(400)]
    others = [(float(torch.randn((), generator=rng)) - 2, 0.0) for _ in range(40)]
    acceptance = tune.fit(related + others, [True] * 400 + [False] * 40)
    assert likelihood((0, 0), acceptance) == pytest.approx(0.5, abs=0.15)
    assert likelihood((2, 0), acceptance) > 0.95
    assert likelihood((-2, 0), acceptance) < 0.05


def test_errors_are_those_of_either_kind() -> None:
    tried = [Tried("a part", likely, 0, 0) for likely in (0.9, 0.4, 0.8, 0.5)]
    tried += [Tried("another", likely, 0, 0) for likely in (0.1, 0.7)]
    assert tune.errors(tried) == (0.25, 0.5)


def test_pairs_of_every_degree_are_tried_and_printed(see: Sight, capsys: pytest.CaptureFixture[str]) -> None:
    rng = torch.Generator().manual_seed(0)
    images = [torch.rand(1, 3, 120, 160, generator=rng) for _ in range(3)]
    with torch.inference_mode():
        pairs = list(tune.pairs(images, see, rng))
        assert [pair.degree for pair in pairs] == list(DEGREES) * 3
        assert any(not torch.equal(pair.lab[:, :1], pair.lightness) for pair in pairs)
        tried = [
            tune.tried(pair, see, guess, (0.0, 0.0, offset)) for pair in pairs[:6] for offset in (9.0, -9.0)
        ]
    assert all(one.judged_db == pytest.approx(one.believed_db, abs=0.05) for one in tried[::2])
    assert all(one.judged_db == 0 for one in tried[1::2])
    tune.print_degrees(tried)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:20].strip() for line in lines[1:]] == list(DEGREES)
    assert all("0.500" in line for line in lines[1:])


def test_kin_is_another_picture(see: Sight) -> None:
    rng = torch.Generator().manual_seed(0)
    one, other = torch.rand(2, 1, 3, 96, 96, generator=rng)
    with torch.inference_mode():
        assert tune.kin_of([one, other.clone(), one.clone()], see)[::2] == [2, 0]
