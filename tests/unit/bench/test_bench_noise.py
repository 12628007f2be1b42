"""Suites of noise and of JPEG, with denoisers whose gain is known: what is told, and which pictures count."""

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench import baselines, denoise, grey, jpeg, learned
from bench.blind import Denoise, estimated_sigma, score
from bench.pictures import Floats, add_gaussian, as_floats, as_stored
from tests.conftest import make_photo

COUNT = 20
"""Pictures of the set, of which the classical methods get two."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bench")
    for name in ("BSD100/cbsd68", *jpeg.SETS):
        (root / name).mkdir(parents=True)
        for number in range(COUNT if name.startswith("BSD") else 3):
            Image.fromarray(make_photo(40, 56, number)).save(root / name / f"{number:02}.png")
    return root


def halving(clean: Callable[[Floats], Floats], told: list[float | None]) -> Denoise:
    """A denoiser that halves the error, and notes the level that it is told."""

    def remove(noisy: Floats, sigma: float | None) -> Floats:
        told.append(sigma)
        return ((noisy + clean(noisy)) / 2).astype(np.float32)

    return remove


def nearest_of(
    root: Path, name: str, to_grey: Callable[[Any], Any] | None = None
) -> Callable[[Floats], Floats]:
    """Find the clean picture of a noisy one."""
    photos = [np.asarray(Image.open(file)) for file in sorted((root / name).glob("*.png"))]
    floats = [as_floats(to_grey(photo)[..., None].repeat(3, 2) if to_grey else photo) for photo in photos]
    return lambda noisy: min(floats, key=lambda photo: float(np.square(noisy - photo).mean()))


def test_levels_are_told_estimated_or_not_at_all(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float | None] = []
    monkeypatch.setattr(denoise, "load_denoiser", lambda _: halving(nearest_of(root, "BSD100/cbsd68"), told))
    monkeypatch.setattr(
        denoise, "CLASSICAL", dict.fromkeys(denoise.CLASSICAL, lambda noisy, sigma: noisy - 0 * sigma)
    )
    found = denoise.measure(root)
    assert found["set"] == f"CBSD68, {COUNT} pictures"
    assert len(told) == 3 * 3 * COUNT
    for number, sigma_255 in enumerate(denoise.SIGMAS_255):
        blind, estimated, given = (told[number * 3 * COUNT + at] for at in range(3))
        assert blind is None
        assert given == sigma_255 / 255
        assert estimated == pytest.approx(given, rel=0.7)
        figures = found["psnr_db"][str(sigma_255)]
        assert figures["noisy input"]["n"] == COUNT
        assert figures["ours, blind (subset)"]["n"] == 2
        gain = found["subset_gain_over_db"][str(sigma_255)]
        assert set(gain) == set(denoise.CLASSICAL)
        assert all(value["mean"] == pytest.approx(6, abs=0.9) for value in gain.values())
    assert figures["noisy input"]["mean"] == pytest.approx(-20 * math.log10(50 / 255), abs=1.2)


def test_noise_is_that_of_the_pictures_number_and_of_every_nth_picture(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denoise, "load_denoiser", lambda _: lambda noisy, _: noisy)
    monkeypatch.setattr(denoise, "CLASSICAL", {})
    first, again = (denoise.measure(root, every=10) for _ in range(2))
    assert first["pixel_sha256"] == again["pixel_sha256"]
    assert first["psnr_db"]["15"]["noisy input"]["n"] == COUNT // 10
    assert first["pixel_sha256"] != denoise.measure(root, every=5)["pixel_sha256"]


@pytest.mark.parametrize("has_autoencoder", [True, False])
def test_grey_is_seen_in_three_channels_and_their_mean_counts(
    root: Path, has_autoencoder: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []

    def remove(noisy: Floats, _: float | None) -> Floats:
        seen.append(noisy.shape)
        assert np.array_equal(noisy[..., 0], noisy[..., 2])
        return noisy + np.array([0.1, 0, -0.1], np.float32)  # no error on the average

    autoencoder = SimpleNamespace(label="theirs", denoise=lambda noisy: noisy + np.float32(0.2))
    monkeypatch.setattr(grey, "load_denoiser", lambda _: remove)
    monkeypatch.setattr(learned, "load_autoencoder", lambda: autoencoder if has_autoencoder else None)
    monkeypatch.setattr(baselines, "block_matching_3d_grey", lambda noisy, _: noisy)
    figures = grey.measure(root, every=4)["psnr_db"]["25"]
    assert set(seen) == {(40, 56, 3)}
    assert figures[grey.BLIND]["mean"] == pytest.approx(figures["noisy input"]["mean"], abs=1e-3)
    assert figures[grey.BM3D]["n"] == 1
    assert ("theirs" in figures) == has_autoencoder
    if has_autoencoder:
        assert figures["theirs"]["mean"] < figures["noisy input"]["mean"] - 1


def test_grey_values_are_those_of_their_protocols() -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    assert grey.to_grey(colours).tolist() == [[76, 150, 29, 255]]
    assert jpeg.to_grey(colours).tolist() == [[76, 150, 29, 255]]


def test_jpegs_are_told_their_level_and_lose_less_at_higher_qualities(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float | None] = []
    name = jpeg.SETS[0]
    monkeypatch.setattr(jpeg, "SETS", (name,))
    clean = nearest_of(root, name, jpeg.to_grey)
    monkeypatch.setattr(jpeg, "load_denoiser", lambda _: halving(clean, told))
    found = jpeg.measure(root)["sets"][name]
    assert found["pictures"] == 3
    levels = np.array(told[1::2], float).reshape(len(jpeg.QUALITIES), 3).mean(1)
    assert told[::2] == [None] * 3 * len(jpeg.QUALITIES)
    assert levels[0] > levels[-1] > 0
    means = [found["qualities"][str(quality)]["psnr_db"]["JPEG"]["mean"] for quality in jpeg.QUALITIES]
    assert means == sorted(means)
    for quality in found["qualities"].values():
        assert quality["gain_over_db"]["JPEG"]["mean"] == pytest.approx(6.02, abs=0.01)
        assert quality["ssim"]["JPEG"]["mean"] < quality["ssim"][jpeg.OURS]["mean"] < 1


@pytest.mark.parametrize("sigma_255", [5, 25])
def test_noise_of_a_seed_has_the_level_asked_for_and_is_stored_clipped(sigma_255: float) -> None:
    photo = make_photo(64, 64)
    noisy = add_gaussian(photo, sigma_255, seed=1)
    assert np.array_equal(noisy, add_gaussian(photo, sigma_255, seed=1))
    assert not np.array_equal(noisy, add_gaussian(photo, sigma_255, seed=2))
    assert 255 * float((noisy - as_floats(photo)).std()) == pytest.approx(sigma_255, rel=0.03)
    assert as_stored(np.array([-0.2, 0.5, 1.4], np.float32)).tolist() == [0, 128, 255]
    assert 255 * estimated_sigma(as_stored(noisy)) == pytest.approx(sigma_255, rel=0.5)


def test_scores_are_of_clipped_results() -> None:
    white = np.full((8, 8, 3), 255, np.uint8)
    assert score(np.full((8, 8, 3), 1.7, np.float32), white) == math.inf
    assert score(np.full((8, 8, 3), 0.9, np.float32), white) == pytest.approx(20, abs=1e-3)


def test_classical_methods_remove_noise_and_fill_even_pictures() -> None:
    photo = make_photo(48, 48)
    noisy = add_gaussian(photo, 25, seed=0)
    assert score(baselines.non_local_means(noisy, 25 / 255), photo) > score(noisy, photo) + 3
    mask = np.zeros((48, 48), np.uint8)
    mask[20:24, 10:30] = 1
    even = np.full((48, 48, 3), 120, np.uint8)
    even[mask > 0] = 255
    for fill in (baselines.telea, baselines.navier_stokes):
        assert np.abs(fill(even, mask).astype(int) - 120).max() <= 2, fill
