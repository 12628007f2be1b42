import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench import harmless, old, report, report_prints, sheets, untouched
from bench.bilevel import BILEVEL
from bench.drawings import DRAWINGS
from bench.lookalikes import LOOKALIKES
from bench.pictures import CLEAN_SETS
from photorestore import pipeline
from tests.conftest import make_photo


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> pipeline.Pipeline:
    """A pipeline that changes nothing."""
    return pipeline.load(stages=("preprocess", "deliver"), root=tmp_path_factory.mktemp("spaces"))


@pytest.mark.parametrize("make", [*DRAWINGS.values(), *LOOKALIKES.values()])
def test_pictures_are_made_the_same_every_time(make: Callable[..., Any]) -> None:
    first, again = (make(np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.dtype == np.uint8
    assert first.std() > 5


@pytest.mark.parametrize("make", BILEVEL.values())
def test_pictures_of_one_bit_are_stored_as_such(make: Callable[..., Any]) -> None:
    picture = make(np.random.default_rng(5))
    assert 0.1 < picture.mean() < 0.95
    with Image.open(io.BytesIO(untouched._encoded(picture, as_jpeg=True))) as stored:
        assert (stored.format, stored.mode) == ("PNG", "1")


def test_an_erased_line_is_lost_ink_and_a_fainter_one_is_not() -> None:
    page = np.full((100, 100, 3), 250, np.uint8)
    page[30, 10:90] = page[60, 10:90] = 20
    erased, fainter = page.copy(), page.copy()
    erased[60], fainter[60, 10:90] = 250, 90
    assert untouched.ink_lost(page, page) == 0
    assert untouched.ink_lost(page, erased) == pytest.approx(0.5)
    assert untouched.ink_lost(page, fainter) == 0
    assert untouched.ink_lost(np.full_like(page, 128), page) == 0  # there was none


def test_what_is_bright_on_dark_is_ink_too() -> None:
    night = np.full((100, 100, 3), 20, np.uint8)
    night[50, 10:90] = 200
    assert untouched.ink_lost(night, np.full_like(night, 20)) == 1


def test_nothing_is_lost_where_nothing_works(reading: pipeline.Pipeline) -> None:
    result = json.loads(json.dumps(untouched.measure(reading, every=9)))
    assert set(result["groups"]) == set(untouched.GROUPS)
    for figures in result["groups"].values():
        assert figures["ink_lost"]["max"] == figures["changed_share"]["max"] == 0
    text = report_prints.untouched(result)
    assert "Changed by .1 % or more: none." in text


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (*old.SETS, *CLEAN_SETS):
        (tmp_path / name).mkdir(parents=True)
        for number in range(2):
            Image.fromarray(make_photo(90, 120, number)).save(tmp_path / name / f"{name[-4:]}{number}.png")
    return tmp_path


def test_old_photographs_are_measured_and_drawn(
    root: Path, reading: pipeline.Pipeline, tmp_path: Path
) -> None:
    result = json.loads(json.dumps(old.measure(root, reading, pictures=tmp_path / "sheets")))
    assert (result["set"], result["plainly_changed"]) == ("4 pictures", 0)
    assert len(list((tmp_path / "sheets").glob("old_*.png"))) == 1
    assert len(list((tmp_path / "sheets" / "blind").iterdir())) == 4
    assert report_prints.old(result).startswith("## Real old photographs")


def make_pair(name: str) -> sheets.Pair:
    before = make_photo(60, 80)
    after = before.copy()
    after[10:20, 10:20] = 255
    return sheets.Pair(name, "", before, after)


def test_verdicts_are_counted_by_the_key(tmp_path: Path) -> None:
    names = [f"p{number}" for number in range(8)]
    sheets.write_blind([make_pair(name) for name in names], tmp_path)
    key = json.loads((tmp_path / "blind_key.json").read_text())
    assert sorted(pair["picture"] for pair in key.values()) == names
    lines = [f"{number} {pair['restored']}" for number, pair in key.items()]
    counted = sheets.count_verdicts("\n".join([*lines[:-1], "", "08 same  # faint"]), key)
    assert (len(counted["better"]), counted["same"], counted["worse"]) == (7, [key["08"]["picture"]], [])
    reversed_key = {number: pair | {"restored": "neither"} for number, pair in key.items()}
    assert len(sheets.count_verdicts("01 A\n02 B", reversed_key)["worse"]) == 2


@pytest.mark.parametrize("verdicts", ["01 C", "99 A", "01", "01 A\n01 B"])
def test_verdicts_that_cannot_be_read_are_refused(verdicts: str) -> None:
    with pytest.raises(ValueError, match="pair"):
        sheets.count_verdicts(verdicts, {"01": {"picture": "p", "restored": "A"}})


def test_a_blind_picture_shows_the_cut_that_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "CUT_PX", 20)
    pair = make_pair("p")
    top, left = sheets._most_changed(pair.before, pair.after)
    assert top <= 10 <= top + 10
    assert left <= 10 <= left + 10


def test_files_that_nothing_changed_are_counted(root: Path, reading: pipeline.Pipeline) -> None:
    files = harmless._measure_files(sorted((root / "BSD100").iterdir()), reading)
    assert (files["n"], files["untouched"]) == (2, 2)
    assert files["same_bytes"] >= files["reported_unchanged"]
    assert f"{files['same_bytes']} came back byte for byte" in report_prints.as_files(files)


def test_results_without_files_are_still_told() -> None:
    result = report._read("harmless")
    assert result is not None
    result.pop("files", None)
    assert report._harmless(result).startswith("## Do no harm")
