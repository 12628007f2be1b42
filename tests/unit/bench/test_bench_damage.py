"""The damage set and the mixed set: the same each time, with masks that say what was changed; and their scores."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench import damage_set, mixed_set
from bench.damage import _counts, _detection, _scores
from bench.damage_set import DamagedPicture, load_damage_set, pixel_sha256
from bench.mixed_set import load_mixed_set, wear
from photorestore.fidelity import PrecisionRecall
from photorestore.stages.scratch.masks import FOUND
from tests.conftest import make_photo
from training.degradations.damage import DAMAGED, MODERATE_SHARE
from training.degradations.sources import HELD_OUT_SCANS, STAMP_KINDS


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made stamps, label maps and photographs, where the sets look for them."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for number in range(25):  # enough that the hash of some holds them out
        stamp = np.where(rng.random((256, 256)) > 0.97, 255, 0).astype(np.uint8)
        for kind in STAMP_KINDS:
            write(root / "train/domain/damage_stamps" / kind / f"{number}.png", stamp)
    for name in HELD_OUT_SCANS:
        write(
            root / "train/domain/film_scan_labels" / name,
            np.where(rng.random((900, 1200)) > 0.985, 5, 0).astype(np.uint8),
        )
    write(root / "train/domain/paper_textures/paper.jpg", np.full((8, 8, 3), 200, np.uint8))
    for number, folder in enumerate((*damage_set.FOLDERS, *mixed_set.SETS)):
        for photo in range(3):
            write(root / "bench" / folder / f"{photo}.png", make_photo(264, 280, 10 * number + photo))
    return root


def write(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


@pytest.fixture(scope="module")
def pictures(data: Path) -> list[DamagedPicture]:
    return load_damage_set(data, limit=3)


def test_the_mask_says_where_the_photograph_was_overwritten(pictures: list[DamagedPicture]) -> None:
    for picture in pictures:
        assert torch.equal(picture.mask, picture.alpha.float() / 255 > DAMAGED)
        untouched = picture.alpha == 0
        assert torch.equal(
            picture.lq[untouched.expand_as(picture.lq)], picture.gt[untouched.expand_as(picture.gt)]
        )
        changed = (picture.lq.int() - picture.gt.int()).abs().amax(0, keepdim=True)
        assert int(changed[picture.mask].min()) >= 19  # 20 of 255, less what rounding may take
        assert MODERATE_SHARE[0] <= float(picture.mask.float().mean()) <= MODERATE_SHARE[1]


def test_a_part_of_the_set_has_the_same_pictures_as_the_whole(
    data: Path, pictures: list[DamagedPicture]
) -> None:
    again = load_damage_set(data, limit=3)
    assert pixel_sha256(again) == pixel_sha256(pictures)
    assert len({picture.name for picture in pictures}) == 3
    (first,) = load_damage_set(data, limit=1)
    assert first.name == pictures[0].name == "Set14/0.png"
    assert torch.equal(first.lq, pictures[0].lq)


def test_the_hash_tells_the_order_and_the_masks(pictures: list[DamagedPicture]) -> None:
    known = pixel_sha256(pictures)
    assert pixel_sha256(pictures[::-1]) != known
    first = pictures[0]
    moved = DamagedPicture(first.name, first.gt, first.lq, first.alpha, first.mask.roll(1, 2))
    assert pixel_sha256([moved, *pictures[1:]]) != known


def test_worn_crops_have_one_size_and_scratches_that_are_known(data: Path) -> None:
    made = load_mixed_set(data, every=2)
    assert {Path(picture.name).parts[0] for picture in made} == set(mixed_set.SETS)
    for picture in made:
        assert picture.gt.shape == picture.lq.shape == (3, mixed_set.CROP_PX, mixed_set.CROP_PX)
        assert MODERATE_SHARE[0] <= float(picture.mask.float().mean()) <= MODERATE_SHARE[1]
    assert pixel_sha256(load_mixed_set(data, every=2)) == pixel_sha256(made)


@pytest.mark.parametrize("step", range(len(mixed_set.STEPS)))
def test_every_way_to_wear_a_picture_changes_it_and_keeps_its_size(
    step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gt = torch.from_numpy(make_photo(64, 80)).permute(2, 0, 1) / 255
    monkeypatch.setattr(mixed_set, "STEPS", (mixed_set.STEPS[step],))
    monkeypatch.setattr(mixed_set, "CHANCE", 1.0)
    monkeypatch.setattr(mixed_set, "GREY_CHANCE", 0.0)
    worn = wear(gt, torch.Generator().manual_seed(1))
    assert worn.shape == gt.shape
    assert 0 <= float(worn.min()) <= float(worn.max()) <= 1
    assert 0.001 < float((worn - gt).abs().mean()) < 0.3


def test_grey_crops_lose_their_colours_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    gt = torch.from_numpy(make_photo(64, 80)).permute(2, 0, 1) / 255
    monkeypatch.setattr(mixed_set, "CHANCE", 0.0)
    monkeypatch.setattr(mixed_set, "GREY_CHANCE", 1.0)
    worn = wear(gt, torch.Generator().manual_seed(1))
    assert torch.equal(worn[0], worn[1])
    assert torch.equal(worn[0], worn[2])


def test_scores_of_a_mask_are_those_of_its_pixels() -> None:
    truth = np.zeros((4, 5), bool)
    truth[0] = True  # five damaged pixels
    mask = np.zeros((4, 5), bool)
    mask[0, :3] = mask[2, 0] = True  # three of them, and a false one
    counts = _counts(mask, truth)
    assert counts == {"hits": 3, "alarms": 1, "misses": 2}
    assert _scores(**counts) == {"f1": 0.6667, "precision": 0.75, "recall": 0.6}


@pytest.mark.parametrize(
    ("counts", "f1"),
    [((0, 0, 0), 0.0), ((0, 4, 0), 0.0), ((0, 0, 4), 0.0), ((7, 0, 0), 1.0), ((5, 5, 5), 0.5)],
)
def test_masks_that_are_empty_or_all_wrong_have_a_score_as_well(
    counts: tuple[int, int, int], f1: float
) -> None:
    assert _scores(*counts)["f1"] == f1


def test_detection_is_told_at_the_threshold_in_use_with_the_share_of_damage() -> None:
    found = PrecisionRecall()
    truth = torch.zeros(1, 10, 10, dtype=torch.bool)
    truth[:, :2] = True
    prob = torch.where(truth, 0.95, 0.01)
    prob[0, 9, :5] = 0.97  # five false ones
    found.add(prob, truth)
    told = _detection(found, None)
    assert (told["threshold"], told["damaged_share"]) == (FOUND, 0.2)
    assert (told["precision"], told["recall"]) == (0.8, 1.0)
