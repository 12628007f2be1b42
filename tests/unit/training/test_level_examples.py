"""Degraded pictures with the truth beside them, by which limits of the denoiser are chosen."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from photorestore.stages.preprocess.compression import COLOUR_ARTEFACTS
from tests.conftest import make_photo
from training import level_examples, tune_levels
from training.level_examples import (
    FOLDERS,
    GRAIN_255,
    PAIRS,
    Example,
    jpeg_example,
    make_noisy,
    make_surfaces,
    read_crops,
    read_pairs,
    variants,
)
from training.tune_levels import Gains


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.fromarray(make_photo(128, 128))


def test_the_true_level_is_the_deviation_of_what_is_wrong(photo: Image.Image) -> None:
    example = jpeg_example("any", photo, 90)
    gt = np.zeros((4, 4, 3), np.uint8)
    lq = gt.copy()
    lq[:2] = 10
    assert Example("any", lq, gt, example.found).true_255 == pytest.approx(10 / np.sqrt(2))
    assert Example("any", gt, lq, example.found).true_255 == pytest.approx(10 / np.sqrt(2))  # no wrap-around


def test_a_photograph_comes_in_grey_and_in_colour(photo: Image.Image) -> None:
    assert [(name, picture.mode) for name, picture in variants(photo)] == [("grey", "L"), ("colour", "RGB")]


def test_a_jpeg_is_wrong_by_about_what_its_table_says(photo: Image.Image) -> None:
    examples = [jpeg_example("colour", photo, quality) for quality in (20, 50, 90)]
    levels = [example.true_255 for example in examples]
    assert levels == sorted(levels, reverse=True)
    for example in examples:
        assert example.lq.shape == example.gt.shape == (128, 128, 3)
        assert np.array_equal(example.gt, np.asarray(photo))
        artefacts = example.found.artefacts_255
        assert artefacts is not None
        assert artefacts > 0
    tables = [example.found.artefacts_255 or 0 for example in examples]
    assert tables == sorted(tables, reverse=True)
    assert COLOUR_ARTEFACTS > 0


@pytest.fixture(scope="module")
def noisy(photo: Image.Image) -> dict[str, Example]:
    return {example.kind: example for example in make_noisy([photo])}


@pytest.mark.parametrize("colours", ["grey", "colour"])
def test_noise_has_the_level_of_its_name(noisy: dict[str, Example], colours: str) -> None:
    for sigma_255 in level_examples.SIGMAS_255:
        example = noisy[f"Gaussian {sigma_255}, {colours}"]
        assert example.true_255 == pytest.approx(sigma_255, rel=0.08)
        assert example.found.sigma_255 == pytest.approx(sigma_255, rel=0.25)
    for size_px in level_examples.GRAIN_PX:
        assert noisy[f"grain of {size_px} px, {colours}"].true_255 == pytest.approx(GRAIN_255, rel=0.25)
    peak = level_examples.PEAKS[0]
    photons = noisy[f"Poisson {peak}, {colours}"]
    mean = photons.gt.mean() / 255
    assert photons.true_255 == pytest.approx(255 * np.sqrt(mean / peak), rel=0.1)


def test_grey_examples_are_noisy_alike_in_all_channels(noisy: dict[str, Example]) -> None:
    for kind, example in noisy.items():
        is_grey = bool((example.lq == example.lq[..., :1]).all())
        assert is_grey == kind.endswith("grey")
        assert is_grey == bool((example.gt == example.gt[..., :1]).all())


def test_surfaces_count_as_judged_noisy(photo: Image.Image) -> None:
    examples = list(make_surfaces([photo]))
    assert len(examples) == 2 * (len(level_examples.WIDTHS_PX) + 1)
    assert all(example.is_grainy for example in examples)
    levels = [example.true_255 for example in examples]
    assert min(levels) > 0.4 * level_examples.SURFACE_255
    assert max(levels) < 2 * level_examples.SURFACE_255


def test_crops_are_the_middle_shrunk_by_half(tmp_path: Path) -> None:
    for name in FOLDERS:
        (tmp_path / name).mkdir(parents=True)
        for number in range(4):
            pixels = np.full((90, 100, 3), 10, np.uint8)
            pixels[25:65, 30:70] = 100 + number
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
        Image.fromarray(pixels[:30]).save(tmp_path / name / "9.png")  # too small
    crops = read_crops(tmp_path, 2, 20)
    assert [crop.size for crop in crops] == 2 * len(FOLDERS) * [(20, 20)]
    assert all((np.asarray(crop) >= 100).all() for crop in crops)


def test_real_noise_is_cut_from_the_middle_beside_its_mean(tmp_path: Path) -> None:
    (tmp_path / PAIRS).mkdir(parents=True)
    clean = make_photo(80, 90)
    for number in range(3):
        for name, shift in (("real", 6), ("mean", 0)):
            file = tmp_path / PAIRS / f"{number}_{name}.JPG"
            Image.fromarray(np.clip(clean.astype(int) + shift, 0, 255).astype(np.uint8)).save(
                file, "JPEG", quality=100, subsampling=0
            )
    examples = list(read_pairs(tmp_path, every=2, side_px=64))
    assert len(examples) == 2
    assert examples[0].lq.shape == (64, 64, 3)
    assert examples[0].true_255 == pytest.approx(6, abs=1)
    assert np.abs(examples[0].gt.astype(int) - clean[8:72, 13:77]).max() < 12
    assert examples[0].found.artefacts_255 is not None


class Removing:
    """Stands in for the denoiser: removes all noise if it is told the level, else half of it."""

    def __init__(self, gt: np.ndarray) -> None:
        self.gt = torch.from_numpy(gt.copy()).permute(2, 0, 1)[None] / 255

    def __call__(self, lq: Tensor, sigma: Tensor | None) -> Tensor:
        return torch.lerp(lq, self.gt, 0.5 if sigma is None else 0.9)


def test_gains_are_in_decibels_over_the_picture_as_it_is(noisy: dict[str, Example]) -> None:
    example = noisy["Gaussian 25, colour"]
    gains = Gains(Removing(example.gt), example)  # type: ignore[arg-type]
    assert gains.told(None) == pytest.approx(6.02, abs=0.01)
    assert gains.told(25) == pytest.approx(20, abs=0.01)


def test_tables_have_a_line_for_each_kind(
    noisy: dict[str, Example], capsys: pytest.CaptureFixture[str]
) -> None:
    example = noisy["Gaussian 12, grey"]
    network = Removing(example.gt)
    tune_levels.print_gains(network, [example, example])  # type: ignore[arg-type]
    tune_levels.print_assumed(network, [example])  # type: ignore[arg-type]
    gains, assumed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Gaussian 12")]
    figures = gains.split("|")
    assert figures[0].split()[3] == "2"  # examples
    assert float(figures[0].split()[4]) == pytest.approx(12, rel=0.1)
    assert [float(word) for word in figures[1].split()] == [6.02] + [20.0] * (1 + len(tune_levels.FACTORS))
    assert set(assumed.split("|")[1].split()) == {"20.00"}


def test_what_artefacts_ought_to_be_is_told_by_quality(
    photo: Image.Image, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tune_levels, "FITTED_QUALITIES", (30, 75))
    tune_levels.print_artefacts([photo])
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["quality", "grey", "colour"]
    assert [row.split()[0] for row in rows] == ["30", "75"]
    assert all(0.2 < float(row.split()[column]) < 5 for row in rows for column in (1, 5))
