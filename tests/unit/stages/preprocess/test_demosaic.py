"""What demosaicks raw files: the network, and the noise that it is told."""

from pathlib import Path

import numpy as np
import pytest

from bench.demosaic import by_libraw
from bench.dng import BAYER, XTRANS, XYZ_TO_CAMERA, Camera, dng
from bench.dng import mosaic_of as mosaic_of_light
from photorestore.imaging import open_picture
from photorestore.imaging.colour.conversion import describe
from photorestore.imaging.decoders.raw import XYZ_OF_SRGB, encoded_mosaic
from photorestore.options import Options
from photorestore.stages.base import run_stage
from photorestore.stages.preprocess.demosaic import noise_in
from photorestore.stages.preprocess.demosaic_network import pattern_planes
from photorestore.workspace import Array, Workspace
from tests.conftest import add_noise, loaded_stage, make_photo, source_of
from tests.raw_files import mosaicked

PATTERNS = {"bayer": BAYER, "xtrans": XTRANS, "quad": ("RRGG", "RRGG", "GGBB", "GGBB")}
PHOTO = make_photo(520, 528, seed=2)


def mosaic_of(photo: np.ndarray, rows: tuple[str, ...]) -> tuple[Array, Array]:
    pattern = pattern_planes(rows, *photo.shape[:2]).numpy()
    mosaic = (photo.transpose(2, 0, 1) * pattern).sum(0, keepdims=True) * 257
    return mosaic.astype(np.uint16), (pattern * 255).astype(np.uint8)


@pytest.mark.parametrize("rows", PATTERNS.values(), ids=PATTERNS)
@pytest.mark.parametrize("sigma_255", [0, 4, 15])
def test_the_noise_of_a_mosaic_is_estimated(rows: tuple[str, ...], sigma_255: float) -> None:
    noisy = add_noise(PHOTO, sigma_255)
    assert noise_in(*mosaic_of(noisy, rows)) == pytest.approx(sigma_255, rel=0.25, abs=1)


def test_too_small_a_mosaic_shows_no_noise() -> None:
    assert noise_in(*mosaic_of(add_noise(PHOTO[:40, :40], 20), BAYER)) == 0


def test_a_pattern_without_a_grid_of_one_colour_shows_no_noise() -> None:
    colours = np.random.default_rng(0).integers(0, 3, (64, 64)).astype(np.uint8)
    levels = (np.zeros(4), np.full(4, 1 / 65535))
    mosaic, pattern = encoded_mosaic(np.full((64, 64), 9000, np.uint16), colours, levels)
    assert noise_in(mosaic, pattern) == 0


def errors(image: np.ndarray) -> float:
    inner = np.s_[8:-8, 8:-8]
    return float(np.square(image[inner] / 257 - PHOTO[inner]).mean())


@pytest.mark.parametrize(
    ("rows", "sigma_255", "gain"), [(BAYER, 0, 1.4), (BAYER, 10, 2), (XTRANS, 10, 2)], ids=str
)
def test_the_stage_demosaicks_better_than_libraw(
    tmp_path: Path, rows: tuple[str, ...], sigma_255: float, gain: float
) -> None:
    upload = mosaicked(add_noise(PHOTO, sigma_255), rows, orientation=3)
    workspace = Workspace.create(tmp_path, Options(stages=()))
    workspace.write_file("upload", upload)
    run_stage(loaded_stage("preprocess"), [workspace])
    assert workspace.envelope.problem is None
    source = source_of(workspace)
    assert (source.format, source.bits, source.width, source.orientation) == ("dng", 16, 528, 3)
    assert source.icc == "Rec. 2020 with the sRGB tone curve"
    ours = np.moveaxis(workspace.current(), 0, -1)[::-1, ::-1]
    assert errors(ours) < errors(by_libraw(upload)) / gain


def test_colours_beyond_srgb_come_back_where_the_sources_are_asked_for(tmp_path: Path) -> None:
    camera = Camera(XYZ_TO_CAMERA)
    matrix = np.array(XYZ_TO_CAMERA) @ XYZ_OF_SRGB
    green = matrix / matrix.sum(axis=1, keepdims=True) @ (-0.05, 0.5, 0.1)  # which sRGB lacks
    light = np.broadcast_to(green, (60, 90, 3))
    upload = dng(mosaic_of_light(light, BAYER, camera), BAYER, camera)
    workspace = Workspace.create(tmp_path, Options(stages=(), colour="source", format="tiff"))
    workspace.write_file("upload", upload)
    run_stage(loaded_stage("preprocess"), [workspace])
    run_stage(loaded_stage("deliver"), [workspace])
    assert workspace.envelope.problem is None
    result = open_picture(workspace.read_file("result") or b"")
    assert (result.header.format, result.header.bits) == ("tiff", 16)
    assert describe(result.header.icc) == "Rec. 2020 with the sRGB tone curve"
    result.header.icc = None
    values = np.empty((3, 60, 90), np.uint16)
    result.decode(values, None)
    np.testing.assert_array_equal(values, workspace.plane("wide"))
    assert workspace.plane("image")[0].mean() < 2000
    assert values[0].mean() > 15_000
