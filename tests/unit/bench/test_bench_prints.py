import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bench import prints, prints_set, real, report_prints
from bench.looks import Look, look
from bench.pictures import as_floats
from bench.print_damage import LAYERS, damage, visible_damage
from bench.sound import SOUND
from photorestore import pipeline
from photorestore.options import Options
from tests.conftest import make_photo
from training.marked import TEST_PRINTS


def make_shape() -> np.ndarray:
    """A crack (320, 480) that branches."""
    shape = Image.new("L", (480, 320))
    draw = ImageDraw.Draw(shape)
    draw.line((0, 100, 200, 160, 479, 120), fill=255, width=5)
    draw.line((200, 160, 240, 319), fill=255, width=3)
    return np.asarray(shape)


def make_print(seed: int) -> prints_set.Print:
    return prints_set.make_print("made", make_photo(120, 160), [make_shape()], seed)


def seen(image: np.ndarray, mask: np.ndarray) -> Look:
    return Look(image, mask, None, SOUND, ())


def test_a_print_depends_on_its_seed_alone() -> None:
    first, again, other = (make_print(seed) for seed in (3, 3, 4))
    assert np.array_equal(first.lq, again.lq)
    assert np.array_equal(first.mask, again.mask)
    assert not np.array_equal(first.mask, other.mask)


@pytest.mark.parametrize("seed", range(6))
def test_a_print_is_damaged_in_part_and_plainly(seed: int) -> None:
    made = make_print(seed)
    low, high = prints_set.SHARES
    assert low <= made.mask.mean() <= high
    inside, outside = (prints.psnr_at(made.lq, made.gt, where) for where in (made.mask, ~made.mask))
    assert outside > inside + 8


@pytest.mark.parametrize("kind", LAYERS)
def test_every_kind_of_damage_shows_and_covers_what_it_changes(kind: str) -> None:
    image = as_floats(make_photo(160, 200))
    damaged, alpha = LAYERS[kind](image, [make_shape()], np.random.default_rng(1))
    mask = visible_damage(image, damaged.clip(0, 1), alpha)
    assert 0 < mask.mean() < 0.5
    assert alpha.min() >= 0
    assert alpha.max() <= 1


def test_a_change_that_nobody_sees_is_no_damage() -> None:
    image = np.full((40, 40, 3), 0.5, np.float32)
    damaged, alpha = image.copy(), np.zeros((40, 40), np.float32)
    damaged[10:20, 10:20] += 5 / 255
    damaged[30:34, 30:34] += 0.3
    alpha[30:34, 30:34] = 1
    damaged[31, 31] = image[31, 31]  # has kept its value by chance
    mask = visible_damage(image, damaged, alpha)
    assert not mask[:25].any()
    assert mask[30:34, 30:34].all()


def test_damage_leaves_the_picture_given_as_it_was() -> None:
    image = as_floats(make_photo(120, 160))
    before = image.copy()
    damage(image, [make_shape()], np.random.default_rng(0))
    assert np.array_equal(image, before)


def test_a_corrected_tone_is_no_error_of_the_filling() -> None:
    made = make_print(1)
    toned = (made.gt.astype(np.float64) * 0.8 + 20).round().astype(np.uint8)
    scores = prints.filled_scores(made, seen(toned, made.mask))
    assert scores["ours_inside"] < 30
    assert scores["ours_matched_inside"] > 45
    assert scores["matched_inside_gain"] > scores["inside_gain"] + 15


def test_matching_the_tone_of_a_flat_picture_gives_the_mean() -> None:
    flat, gt = np.full((8, 8, 3), 9, np.uint8), make_photo(8, 8)
    matched = prints.match_tone(flat, gt, np.ones((8, 8), bool))
    assert matched == pytest.approx(np.broadcast_to(gt.mean((0, 1)), gt.shape))


def test_a_mask_one_pixel_aside_is_right_with_tolerance_only() -> None:
    there = np.zeros((40, 40), bool)
    there[20] = True
    scores = prints.found_scores(np.roll(there, 1, 0), there)
    assert scores["f1"] == 0
    assert scores["f1_2px"] == 1


def test_a_mask_grown_by_a_pixel_loses_nothing_without_the_rim() -> None:
    there, grown = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    there[20], grown[19:22] = True, True
    scores = prints.found_scores(grown, there)
    assert scores["f1"] == pytest.approx(0.5)
    assert scores["f1_rimless"] == 1
    assert prints.found_scores(np.roll(there, 1, 0), there)["f1_rimless"] == 0


@pytest.fixture(scope="module")
def finding(tmp_path_factory: pytest.TempPathFactory) -> pipeline.Pipeline:
    return pipeline.load(
        stages=("preprocess", "scratch", "translate"), root=tmp_path_factory.mktemp("spaces")
    )


def test_a_look_holds_mask_probability_and_what_worked(finding: pipeline.Pipeline) -> None:
    photo = make_photo(96, 128)
    found = look(finding, photo, Options(stages=("scratch",)))
    assert found.image.shape == photo.shape
    assert found.prob is not None
    assert found.mask.shape == found.prob.shape == photo.shape[:2]
    assert found.ran == ("scratch",)
    unasked = look(finding, photo, Options(stages=()))
    assert unasked.prob is None
    assert not unasked.mask.any()
    assert unasked.ran == ()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Bench pictures: one photograph of each set of prints; two marked prints, one in each folder of theirs."""
    for name in prints_set.PARTS:
        folder = tmp_path / "bench" / name
        folder.mkdir(parents=True)
        for number in range(2):
            Image.fromarray(make_photo(80, 112, number)).save(folder / f"{number}.png")
    shapes = tmp_path / "train" / "domain" / "crack_shapes"
    shapes.mkdir(parents=True)
    for number in range(40):
        Image.fromarray(np.roll(make_shape(), number, 0)).save(shapes / f"{number}.png")
    mask = np.zeros((80, 112), np.uint8)
    mask[40, 10:60], mask[:10] = 255, 128
    masks = tmp_path / "bench" / "old_masks"
    damaged = tmp_path / "train" / "domain" / "old_damaged"
    for folder in (tmp_path / "bench/old_real", tmp_path / "bench/old_ms", masks, damaged / "masks"):
        folder.mkdir(parents=True)
    for place, name in (("old_real", "a"), ("old_ms", "b")):
        Image.fromarray(make_photo(80, 112)).save(tmp_path / "bench" / place / f"{name}.png")
        Image.fromarray(mask).save(masks / f"{name}_mask.png")
    for name in TEST_PRINTS:
        Image.fromarray(make_photo(80, 112)).save(damaged / f"{name}.png")
        Image.fromarray(mask).save(damaged / "masks" / f"{name}_mask.png")
    return tmp_path / "bench"


def test_prints_are_measured_and_told(root: Path, finding: pipeline.Pipeline) -> None:
    result = json.loads(json.dumps(prints.measure(root, finding)))
    assert result["set"] == f"{len(result['pictures'])} prints"
    assert result["scores"]["marked_ours"]["mean"] > result["scores"]["lq_inside"]["mean"] + 3
    assert prints.measure(root, finding, every=2)["scores"]["f1"]["n"] == -(-len(result["pictures"]) // 2)
    text = report_prints.prints(result)
    assert text.startswith("## Damaged prints")
    assert "nan" not in text


def test_real_damage_is_measured_and_told(root: Path, finding: pipeline.Pipeline) -> None:
    result = json.loads(json.dumps(real.measure(root, finding)))
    assert [row["picture"] for row in result["sets"]["light"]["pictures"]] == ["a", "b"]
    assert len(result["sets"]["heavy"]["pictures"]) == len(TEST_PRINTS)
    text = report_prints.real(result)
    assert "| 003 |" in text
    assert "nan" not in text


def test_a_mask_without_its_picture_is_missed(root: Path) -> None:
    (root / "old_ms" / "b.png").unlink()
    with pytest.raises(FileNotFoundError, match="no picture b"):
        real.light_prints(root)


def test_specks_do_not_count_for_what_is_large() -> None:
    there, found = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    there[5, 5:35] = there[20:23, 20:23] = True
    found[6, 5:35] = True
    assert real._recall_large(found, there) == 1
    assert real._recall_large(np.zeros_like(found), there) == 0
    there[5] = False
    assert real._recall_large(found, there) == 1  # nothing large is there
