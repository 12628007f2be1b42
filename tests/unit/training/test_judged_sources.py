"""Which pictures the judgement learns from, and which are kept to measure it by."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.degradations.sources import HELD_OUT_SCANS, STAMP_KINDS, VALIDATION_SCANS
from training.judged import load
from training.judged.load import DAMAGED_TIMES, load_damaged, load_prints, load_sources
from training.judged.pictures import UNKNOWN, RealPrint
from training.marked import TEST_PRINTS, VALIDATION_PRINTS


def write(file: Path, value: int, side: int = 100) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((side, side, 3), value, np.uint8)).save(file)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of two folders, old prints and damaged ones, each of its own brightness; and damage."""
    root = tmp_path_factory.mktemp("data")
    annotations = root / "annotations"
    (annotations / "old_real").mkdir(parents=True)
    (annotations / "old_real/sound.txt").write_text("print0\nprint1\n")
    for name in ("print2", "print3"):
        (annotations / f"old_real/{name}.txt").write_text("source: any.jpg\n")
    for folder, start in (("first", 0), ("second", 60)):
        for number in range(6):
            write(root / folder / f"{number}.png", start + 2 * number)
    for number in range(6):
        write(root / f"domain/old_real/print{number}.jpg", 120 + 4 * number)
    damaged = [*TEST_PRINTS[:2], *VALIDATION_PRINTS[:2], "torn", "creased"]
    for number, name in enumerate(damaged):
        write(root / f"domain/old_damaged/{name}.png", 180 + 4 * number)
    rng = np.random.default_rng(0)
    for number in range(25):
        stamp = Image.fromarray(np.where(rng.random((256, 256)) > 0.97, 255, 0).astype(np.uint8))
        for folder in (*(f"damage_stamps/{kind}" for kind in STAMP_KINDS), "crack_shapes"):
            (root / "domain" / folder).mkdir(parents=True, exist_ok=True)
            stamp.save(root / "domain" / folder / f"{number}.png", compress_level=0)
    for name in (*HELD_OUT_SCANS, *VALIDATION_SCANS, "scan_01.png"):
        write(root / "domain/film_scan_labels" / name, 5, 20)
    write(root / "domain/paper_textures/paper.jpg", 200, 8)
    return root


@pytest.fixture
def data(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(load, "ANNOTATIONS", made / "annotations")
    return made


def brightness(prints: list[RealPrint]) -> list[int]:
    return [round(float(print_.image.float().mean())) for print_ in prints]


def test_what_was_seen_of_a_print_is_known_of_it(data: Path) -> None:
    prints = load_prints(data)
    assert list(prints) == [f"print{number}" for number in range(6)]
    assert [print_.damaged for print_ in prints.values()] == [0.0, 0.0, 1.0, 1.0, UNKNOWN, UNKNOWN]


def test_prints_of_the_test_are_not_even_read(data: Path) -> None:
    damaged = load_damaged(data)
    assert set(damaged) == {*VALIDATION_PRINTS[:2], "torn", "creased"}
    assert {print_.damaged for print_ in damaged.values()} == {1.0}


@pytest.mark.parametrize("every", [2, 3])
def test_nothing_that_is_learned_from_measures(data: Path, every: int) -> None:
    seen, unseen = load_sources(data, ["first", "second"], every)
    for learned, kept in zip(seen.folders, unseen.folders, strict=True):
        values = [{int(photo[0, 0, 0]) for photo in photos} for photos in (learned, kept)]
        assert not values[0] & values[1]
        assert sum(map(len, values)) == 6
        assert len(kept) == -(-6 // every)
    taught, measured = (set(brightness(list(of.prints))) for of in (seen, unseen))
    assert not taught & measured
    assert len(taught | measured) == 6 + 4
    assert not set(map(id, seen.film.scans)) & set(map(id, unseen.film.scans))
    assert (len(seen.film.scans), len(unseen.film.scans)) == (1, len(VALIDATION_SCANS))


def test_damaged_prints_are_drawn_more_often_and_those_of_validation_never(data: Path) -> None:
    seen, unseen = load_sources(data, ["first"], 2)
    drawn = brightness(list(seen.prints))
    torn, creased = 180 + 4 * 4, 180 + 4 * 5
    assert drawn.count(torn) == drawn.count(creased) == DAMAGED_TIMES
    assert sum(drawn.count(120 + 4 * number) for number in range(6)) == 3
    assert {180 + 4 * 2, 180 + 4 * 3} <= set(brightness(list(unseen.prints)))
