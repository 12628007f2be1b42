"""What the translator learns of prints: where damage was marked, and how surely."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from photorestore.networks.descriptor import IMAGE, Descriptor, Part, Port
from photorestore.networks.runner import Runner
from tests.conftest import make_photo
from tests.unit.training.test_damage import sources as film_sources  # noqa: F401 - a fixture
from tests.unit.training.test_marked import marked  # noqa: F401 - a fixture
from tests.unit.training.test_prints import sources as print_sources  # noqa: F401 - a fixture
from training.degradations.sources import DamageSources, PrintSources
from training.detectors import Detector
from training.filled_prints import UNKNOWN, Prints, find
from training.held_damage import make_held_prints
from training.imperfect_masks import MASK_ALPHA
from training.marked import MarkedPrint
from training.old_photos import KINDS, Photo, Pictures, Sample, make_sample, real_photos

SIZE_PX = 64
LIKELY, LITTLE = 0.98, 0.2


def bright(image: torch.Tensor) -> torch.Tensor:
    """Say that what is white is likely to be damaged, and all else a little."""
    return torch.logit(torch.where(image.amin(1, keepdim=True) > 0.98, LIKELY, LITTLE))


def blind(image: torch.Tensor) -> torch.Tensor:
    """Find everything a little likely, and nothing likely enough."""
    return torch.logit(torch.full_like(image[:, :1], LITTLE))


def detectors(find: Callable[[torch.Tensor], torch.Tensor]) -> tuple[Detector, Detector]:
    """Return two stand-ins under the contract of a detector that is not told what the picture shows."""
    runner = Runner(Part(Descriptor("stand-in", (IMAGE,), Port("scratch_logits", "N 1 H W")), find))
    detector = Detector(runner, runner)
    return detector, detector


@pytest.fixture
def prints(print_sources: PrintSources, marked: list[MarkedPrint]) -> Prints:  # noqa: F811
    sound = torch.from_numpy(make_photo(100, 120, seed=3)).permute(2, 0, 1)
    return Prints(print_sources, marked, [sound], detectors(bright))


@pytest.fixture
def pictures(film_sources: DamageSources, prints: Prints) -> Pictures:  # noqa: F811
    clean = [torch.from_numpy(make_photo(96, 110, seed=seed)).permute(2, 0, 1) for seed in range(2)]
    photos = [Photo.of(photo) for photo in clean]
    return Pictures(photos, clean, film_sources, None, prints, real_photos(prints))


def samples(pictures: Pictures, kind: str) -> list[Sample]:
    shares = [float(name == kind) for name in KINDS]
    rng = torch.Generator().manual_seed(0)
    return [make_sample(pictures, shares, SIZE_PX, rng) for _ in range(12)]


@pytest.mark.parametrize("kind", KINDS)
def test_samples_have_a_mask_a_target_and_a_certainty(pictures: Pictures, kind: str) -> None:
    for lq, gt, mask, certainty, alpha, view, view_mask, real in samples(pictures, kind):
        assert lq.shape == gt.shape == real.shape == (3, SIZE_PX, SIZE_PX)
        assert mask.shape == certainty.shape == alpha.shape == (1, SIZE_PX, SIZE_PX)
        assert view.shape[-2:] == view_mask.shape[-2:]
        assert set(mask.unique().tolist()) <= {0.0, 1.0}
        assert 0 <= float(certainty.min()) <= float(certainty.max()) <= 1
        if kind in ("film", "prints"):
            damaged = (alpha > MASK_ALPHA).expand_as(lq)
            if kind == "film" or damaged.any():  # damage of a print may miss the patch
                assert float((lq - gt).abs()[damaged].mean()) > 0.02


def test_what_a_caller_marks_is_certain(pictures: Pictures) -> None:
    for _, _, mask, certainty, *_ in samples(pictures, "holes"):
        assert torch.equal(certainty, mask)


def test_damage_of_a_real_print_is_no_target(pictures: Pictures) -> None:
    seen = 0
    for lq, gt, *_, alpha, _view, _view_mask, _real in samples(pictures, "old"):
        assert torch.equal(lq, gt)
        assert set(alpha.unique().tolist()) <= {UNKNOWN, 0.0}
        seen += int((alpha == UNKNOWN).any())
    assert 0 < seen < 12  # one of the two real prints is sound


@pytest.mark.parametrize("kind", ["prints", "old"])
def test_a_mask_that_is_drawn_because_nothing_is_found_is_certain(pictures: Pictures, kind: str) -> None:
    assert pictures.prints is not None
    finds_nothing = replace(pictures.prints, detectors=detectors(blind))
    drawn = samples(replace(pictures, prints=finds_nothing), kind)
    assert all(torch.equal(sample.certainty, sample.scratch_mask) for sample in drawn)
    assert any(sample.scratch_mask.any() for sample in drawn)


def test_what_is_found_is_certain_inside_and_doubtful_at_its_grown_rim(prints: Prints) -> None:
    lq = torch.full((3, 40, 40), 0.5)
    lq[:, 10:14, 5:30] = 1
    mask, prob = find(lq, prints)
    assert mask[0, 9:15, 4:31].all()
    assert mask.sum() == 6 * 27
    assert float(prob[0, 11, 10]) == pytest.approx(LIKELY, abs=0.01)
    assert float(prob[0, 9, 10]) == pytest.approx(LITTLE, abs=0.01)


def test_held_out_prints_know_what_of_the_mask_is_damage(prints: Prints) -> None:
    photos = [torch.from_numpy(make_photo(100, 120, seed=seed)).permute(2, 0, 1) for seed in range(4)]
    for held in make_held_prints(photos, prints):
        assert held.lq.shape[-2:] == held.gt.shape[-2:] == held.inside.shape[-2:]
        assert (held.inside <= held.scratch_mask).all()
        assert held.inside.any()
