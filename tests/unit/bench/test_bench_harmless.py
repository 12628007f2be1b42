"""Harm to clean photographs, gain on noisy ones, and scores of worn ones, with results that are known."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bench import harmless, mixed, tone
from bench.damage_set import DamagedPicture
from bench.identical import OPTIONS, make_pictures
from bench.pictures import CLEAN_SETS
from bench.tone_set import FadedPicture
from tests.conftest import make_photo


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in CLEAN_SETS:
        (tmp_path / name).mkdir(parents=True)
        for number in range(2):
            Image.fromarray(make_photo(48, 64, number)).save(tmp_path / name / f"{number}.png")
    return tmp_path


class Restoring:
    """Stands in for the pipeline: shifts each picture by some levels, and says which stages worked."""

    def __init__(self, shift: int, ran: tuple[str, ...] = (), coverage: float | None = None) -> None:
        self.shift, self.ran, self.coverage = shift, ran, coverage

    def restore(self, picture: Any, _: object) -> Any:
        traces = {
            name: SimpleNamespace(outcome="ran" if name in self.ran else "passed")
            for name in ("preprocess", "denoise", "translate", "face")
        }

        def find(cls: type) -> Any:
            if cls.__name__ == "ScratchFindings":
                return None if self.coverage is None else SimpleNamespace(coverage=self.coverage)
            return SimpleNamespace(sigma_255=4.0)

        report = SimpleNamespace(trace=traces, find=find, unchanged=not self.ran)
        if isinstance(picture, bytes):
            return SimpleNamespace(encoded=picture if not self.ran else 2 * picture, report=report)
        image = (picture.astype(int) + self.shift).clip(0, 255).astype(np.uint8)
        return SimpleNamespace(image=image, report=report)


def test_a_pipeline_that_does_nothing_does_no_harm(root: Path) -> None:
    found = harmless.measure(root, Restoring(0))  # type: ignore[arg-type]
    count = 2 * len(CLEAN_SETS)
    assert found["clean"]["psnr_db"]["mean"] == found["clean"]["psnr_db"]["min"] == harmless.CAP_DB
    assert found["clean"]["coverage"]["max"] == 0
    assert found["clean"]["denoise_engaged"] == found["clean"]["face_engaged"] == 0
    assert {key: found["files"][key] for key in ("n", "untouched", "same_bytes", "reported_unchanged")} == {
        "n": count, "untouched": count, "same_bytes": count, "reported_unchanged": count,
    }  # fmt: skip
    assert found["files"]["bytes_over_upload"]["mean"] == 1
    for noisy in found["noisy"].values():
        assert noisy["gain_db"]["mean"] == pytest.approx(0, abs=1e-9)


def test_harm_is_told_by_picture_the_worst_first(root: Path) -> None:
    found = harmless.measure(root, Restoring(5, ("denoise",), coverage=0.25), every=2)  # type: ignore[arg-type]
    clean = found["clean"]
    assert clean["psnr_db"]["mean"] == pytest.approx(20 * math.log10(51), abs=0.1)
    assert clean["coverage"]["mean"] == 0.25
    assert (clean["denoise_engaged"], clean["face_engaged"]) == (1, 0)
    assert [row["psnr_db"] for row in clean["worst"]] == sorted(row["psnr_db"] for row in clean["worst"])
    assert clean["worst"][0]["picture"].partition("/")[0] in {name.partition("/")[0] for name in CLEAN_SETS}
    assert (found["files"]["untouched"], found["files"]["same_bytes"]) == (0, 0)
    assert found["files"]["bytes_over_upload"]["mean"] == 2


def test_worn_pictures_are_scored_in_scratches_and_outside() -> None:
    gt = torch.full((3, 20, 20), 100, dtype=torch.uint8)
    mask = torch.zeros(1, 20, 20, dtype=torch.bool)
    mask[:, :5] = True
    picture = DamagedPicture("made", gt, gt, mask.byte(), mask)
    result = (
        torch.where(mask, 151, 100).byte().expand(3, -1, -1)
    )  # a fifth of the range off, in scratches alone
    found = mixed._score(result, picture)
    assert found["psnr_inside_db"] == pytest.approx(20 * math.log10(5))
    assert found["psnr_outside_db"] == math.inf
    assert found["psnr_db"] == pytest.approx(20 * math.log10(5) + 10 * math.log10(4))
    assert 0 < found["ssim"] < 1
    assert mixed._score(gt, picture)["ssim"] == pytest.approx(1)


def test_tone_is_scored_within_the_border(monkeypatch: pytest.MonkeyPatch) -> None:
    gt = make_photo(32, 40)
    bordered = np.full((44, 52, 3), 255, np.uint8)
    bordered[6:38, 6:46] = gt
    picture: Any = SimpleNamespace(gt=gt, inside=lambda pixels: pixels[6:38, 6:46])
    found = tone.score(picture, bordered)
    assert (found["psnr_db"], found["delta_e"]) == (math.inf, 0)
    bordered[:6] = 0  # what is done to the border does not count
    assert tone.score(picture, bordered) == found
    bordered[6:38, 6:46] = gt // 2
    assert tone.score(picture, bordered)["delta_e"] > 10
    assert hasattr(FadedPicture, "inside")


def test_the_pictures_that_builds_are_compared_by_are_always_the_same() -> None:
    first, again = make_pictures(), make_pictures()
    assert first == again
    assert len(set(first.values())) == len(first)
    kinds = {name.rpartition(".")[2] for name in first}
    assert {"jpg", "png", "tif", "webp"} <= kinds
    assert {options.mode for options in OPTIONS.values()} == {"auto", "gentle", "thorough"}
