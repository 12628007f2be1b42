"""Crops to look at while damage is marked, and masks that are written from annotations."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.marked import DAMAGE, IGNORE
from training.marking import __main__ as marking

BOX = (30, 45, 90, 105)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Grey, with a white pixel at column 62, row 71."""
    pixels = np.full((150, 140, 3), 100, np.uint8)
    pixels[71, 62] = 255
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def crop(picture: Path, *, zoom: int = 4, mask: Path | None = None, stretch: bool = False) -> np.ndarray:
    out = picture.with_name("crop.png")
    marking.crop(picture, BOX, out, zoom, mask, stretch=stretch)
    with Image.open(out) as written:
        return np.array(written.convert("RGB")).astype(int)


def test_a_crop_shows_the_place_enlarged(picture: Path) -> None:
    view = crop(picture)
    assert view.shape == (240, 240, 3)
    bright = np.argwhere(view.min(2) > 160)  # white: the grid and its numbers are coloured
    assert abs(bright[:, 0].mean() / 4 + 45 - 71.5) < 1
    assert abs(bright[:, 1].mean() / 4 + 30 - 62.5) < 1


def test_the_grid_lies_on_multiples_of_its_width_in_the_pictures_pixels(picture: Path) -> None:
    view = crop(picture, zoom=5)
    is_line = (view[2] - view[2].min(0))[:, 1] > 20  # cyan
    columns = np.flatnonzero(view[290, :, 2] > 120)
    assert is_line.any()
    assert {30 + column // 5 for column in columns.tolist()} == {40, 60, 80}
    rows = np.flatnonzero(view[:, 290, 2] > 120)
    assert {45 + row // 5 for row in rows.tolist()} == {60, 80, 100}


def test_damage_is_red_and_what_is_ignored_blue(picture: Path) -> None:
    mask = np.zeros((150, 140), np.uint8)
    mask[50:58, 45:55], mask[90:98, 45:55] = DAMAGE, IGNORE
    Image.fromarray(mask).save(picture.with_name("mask.png"))
    view = crop(picture, mask=picture.with_name("mask.png"))
    red, _, blue = view[(53 - 45) * 4, (50 - 30) * 4 + 2]
    assert red > blue + 40
    red, _, blue = view[(94 - 45) * 4, (50 - 30) * 4 + 2]
    assert blue > red + 40
    assert len(set(view[(85 - 45) * 4 + 2, (73 - 30) * 4 + 2].tolist())) == 1  # elsewhere as it was


def test_dark_places_are_stretched_on_request(picture: Path) -> None:
    pixels = np.tile(np.linspace(10, 30, 140).astype(np.uint8)[None, :, None], (150, 1, 3))
    Image.fromarray(pixels).save(picture)
    plain, stretched = crop(picture), crop(picture, stretch=True)
    assert np.ptp(np.median(plain[..., 0], 0)) < 25
    assert np.ptp(np.median(stretched[..., 0], 0)) > 180


def test_masks_are_written_for_the_annotations_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    annotations, data = tmp_path / "annotations", tmp_path / "data"
    for name in ("first", "second"):
        (annotations / "set").mkdir(parents=True, exist_ok=True)
        (annotations / "set" / f"{name}.txt").write_text(f"source: {name}.png\nI: 0,0 19,0 19,9 0,9\n")
        (data / "domain/set").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((40, 40, 3), 90, np.uint8)).save(data / "domain/set" / f"{name}.png")
    (annotations / "set/sound.txt").write_text("third\n")  # a list, no annotation
    monkeypatch.setattr(marking, "ANNOTATIONS", annotations)
    marking.draw(["set/second"], data, tmp_path / "marks")
    assert [file.stem for file in tmp_path.glob("marks/set/*.png")] == ["second"]
    marking.draw([], data, tmp_path / "marks")
    assert sorted(file.stem for file in tmp_path.glob("marks/set/*.png")) == ["first", "second"]
    with Image.open(tmp_path / "marks/set/first.png") as mask:
        drawn = np.asarray(mask)
    assert drawn.shape == (40, 40)
    assert (drawn == IGNORE).mean() == pytest.approx(200 / 1600, abs=0.02)
    assert not (drawn == DAMAGE).any()
    assert "set/first: damage 0.00 %" in capsys.readouterr().out
