"""The pictures that the judgement learns from."""

import pytest
import torch

from photorestore.stages.preprocess.judgement import CROP_CENTRES, CROP_PX, VIEW_PX
from photorestore.stages.preprocess.network import FLAGS, KINDS
from training.degradations.ageing import tone_of
from training.degradations.sources import STAMP_KINDS, DamageSources, PrintSources
from training.judged import MAKERS, make_sample, wear
from training.judged.photographs import night
from training.judged.pictures import UNKNOWN, Judged, RealPrint, Sources


@pytest.fixture(scope="module")
def sources() -> Sources:
    rng = torch.Generator().manual_seed(0)

    def photo(h: int, w: int) -> torch.Tensor:
        return torch.randint(0, 256, (3, h, w), generator=rng, dtype=torch.uint8)

    stamps = {
        kind: torch.randint(0, 256, (2, 256, 256), generator=rng, dtype=torch.uint8) for kind in STAMP_KINDS
    }
    film = DamageSources(stamps, (photo(900, 900)[0],), (photo(64, 64),))
    return Sources(
        [[photo(120, 160), photo(200, 130)]],
        [RealPrint(photo(180, 140), 1.0)],
        film,
        PrintSources((photo(320, 480)[0],)),
    )


@pytest.mark.parametrize("seed", range(20))
def test_a_sample_is_what_the_network_sees_with_what_is_known_of_it(sources: Sources, seed: int) -> None:
    view, crops, kind, flags = make_sample(sources, torch.Generator().manual_seed(seed))
    assert view.shape == (3, VIEW_PX, VIEW_PX)
    assert crops.shape == (len(CROP_CENTRES), 3, CROP_PX, CROP_PX)
    assert int(kind) in range(-1, len(KINDS))
    assert flags.shape == (len(FLAGS),)
    assert set(flags.tolist()) <= {0.0, 1.0, UNKNOWN}


@pytest.mark.parametrize("name", MAKERS)
def test_a_maker_makes_its_own_kind_or_one_that_nobody_can_tell(sources: Sources, name: str) -> None:
    rng = torch.Generator().manual_seed(1)
    made = [MAKERS[name](sources, rng) for _ in range(8)]
    assert {picture.kind for picture in made} <= {KINDS.index(name), -1}
    assert KINDS.index(name) in {picture.kind for picture in made}


def test_a_night_sky_is_a_photograph_without_damage() -> None:
    for seed in range(3):
        made = night(torch.Generator().manual_seed(seed))
        assert (made.kind, made.damaged, made.faded) == (KINDS.index("photograph"), 0.0, UNKNOWN)
        assert made.image.min() >= 0
        assert made.image.max() <= 1


def test_strong_noise_is_known_as_such_and_weak_noise_is_none(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = Judged(torch.full((3, 40, 40), 0.5), 0)
    for strength, expected in ((40.0, 1.0), (2.0, 0.0)):
        monkeypatch.setattr(wear, "log_uniform", lambda *_, strength=strength: strength)
        assert wear.add_noise(picture, torch.Generator().manual_seed(0), grain=0).noisy == expected


def test_what_is_toned_is_told_from_grey() -> None:
    slope = torch.linspace(0, 1, 64).expand(3, 64, 64)
    assert tone_of(slope) == 0
    assert tone_of(slope * torch.tensor([1.0, 0.85, 0.6]).view(3, 1, 1)) == 1
