"""Pictures for a pack: small, and still what they were."""

import io
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from tests.conftest import make_photo
from training.degradations.sources import part_of
from training.packed_pictures import (
    PHOTO_PX,
    PRINT_QUALITY,
    as_jpeg,
    as_png,
    compressed,
    in_16_levels,
    large_first,
    random_crop,
    read,
)


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def test_pictures_without_colour_are_kept_as_grey_and_others_with_full_colour() -> None:
    photo = Image.fromarray(make_photo(60, 80))
    grey = photo.convert("L").convert("RGB")
    assert opened(as_jpeg(grey, 90)).mode == "L"
    coloured = opened(as_jpeg(photo, 95))
    assert coloured.mode == "RGB"
    difference = np.asarray(coloured).astype(int) - np.asarray(photo)
    assert np.sqrt((difference**2).mean()) < 4
    assert len(as_jpeg(grey, 90)) < len(as_jpeg(photo, 90))


def test_a_note_changes_the_bytes_and_not_the_picture() -> None:
    photo = Image.fromarray(make_photo(20, 30))
    plain, noted = as_png(photo), as_png(photo, 7)
    assert plain != noted
    assert as_png(photo, 7) == noted
    assert np.array_equal(np.asarray(opened(plain)), np.asarray(opened(noted)))


@pytest.mark.parametrize("seed", range(8))
def test_a_stamp_in_16_levels_stays_in_its_part(tmp_path: Path, seed: int) -> None:
    levels = np.random.default_rng(seed).integers(0, 256, (40, 50), dtype=np.uint8)
    file = tmp_path / "stamp.png"
    Image.fromarray(levels).save(file)
    small = in_16_levels(file)
    assert part_of(small) == part_of(file.read_bytes())
    again = np.asarray(opened(small).convert("L")).astype(int)
    assert abs(again - levels).max() <= 8
    assert set(np.unique(again)) <= {17 * level for level in range(16)}
    assert len(small) < file.stat().st_size


def test_a_print_is_compressed_again_only_where_that_makes_it_smaller(tmp_path: Path) -> None:
    photo = Image.fromarray(make_photo(120, 160))
    photo.save(tmp_path / "small.jpg", quality=30)
    photo.save(tmp_path / "large.jpg", quality=100)
    photo.save(tmp_path / "other.png")
    assert compressed(tmp_path / "small.jpg") == (tmp_path / "small.jpg").read_bytes()
    assert len(compressed(tmp_path / "large.jpg")) < (tmp_path / "large.jpg").stat().st_size
    assert compressed(tmp_path / "other.png") == as_jpeg(photo, PRINT_QUALITY)


def test_large_pictures_come_first_more_often_but_not_always(tmp_path: Path) -> None:
    for name, side in (("large", 400), ("small", 100)):
        Image.new("L", (side, side)).save(tmp_path / f"{name}.png")
    files = [tmp_path / "small.png", tmp_path / "large.png"]
    first = [large_first(files, Random(seed))[0].stem for seed in range(300)]
    assert first.count("large") / 300 == pytest.approx(16 / 17, abs=0.04), "by area"
    assert large_first(files, Random(1)) == large_first(files, Random(1))


def test_crops_are_of_the_picture_and_at_most_so_large() -> None:
    rows, columns = np.mgrid[:500, :600]
    photo = Image.fromarray(np.stack([rows // 2, columns // 3, rows % 2], -1).astype(np.uint8))
    crop = np.asarray(random_crop(photo, Random(0))).astype(int)
    assert crop.shape == (PHOTO_PX, PHOTO_PX, 3)
    assert (np.diff(2 * crop[..., 0] + crop[..., 2], axis=0) == 1).all()
    assert (np.diff(crop[..., 1], axis=1) >= 0).all()
    assert random_crop(photo.crop((0, 0, 300, 200)), Random(0)).size == (300, 200)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_every_picture_is_read_in_three_channels(tmp_path: Path, mode: str) -> None:
    Image.fromarray(make_photo(10, 12)).convert(mode).save(tmp_path / "a.png")
    assert (read(tmp_path / "a.png").mode, read(tmp_path / "a.png").size) == ("RGB", (12, 10))
