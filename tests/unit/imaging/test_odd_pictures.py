"""Pictures of odd shape and content: long and thin, of one pixel, of one colour, with colours that nobody sees."""

import io

import numpy as np
import pytest
from PIL import Image

from photorestore import pipeline
from photorestore.options import FORMATS, SELECTABLE_STAGES, Options
from photorestore.pixels.hidden import cover, is_hidden
from photorestore.pixels.region import Region, find_region
from photorestore.stages.preprocess.estimates import estimate, is_one_colour
from photorestore.stages.preprocess.findings import PreprocessFindings
from photorestore.stages.preprocess.normalise import normalise
from photorestore.workspace import Workspace
from tests.conftest import add_noise, make_photo

SHAPES = [(1, 1), (2, 1), (1, 640), (640, 1), (2, 1300), (1300, 2), (31, 33)]
STRIPS = [(1, 20000), (31, 20000), (20000, 1)]
WORK = {
    "auto": Options(format="png"),
    "thorough": Options(format="png", mode="thorough"),
    "every stage": Options(format="png", stages=SELECTABLE_STAGES),
    "normalised": Options(format="png", mode="thorough", normalise=True),
}
COLOURS = [(0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 60, 90), (250, 250, 245)]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> pipeline.Pipeline:
    return pipeline.load(root=tmp_path_factory.mktemp("spaces"))


def picture(h: int, w: int, kind: str) -> np.ndarray:
    """A ramp with noise; (H, W) or (H, W, 3 | 4)."""
    y, x = np.mgrid[:h, :w]
    ramp = np.stack([x * 255 // max(w - 1, 1), y * 255 // max(h - 1, 1), np.full((h, w), 120)], -1)
    ramp = add_noise(ramp, 12)
    if kind == "grey":
        return ramp[..., 0]
    if kind == "alpha":
        return np.dstack([ramp, np.where((x + y) % 7 < 2, 0, 255).astype(np.uint8)])
    if kind == "clear":
        return np.dstack([ramp, np.zeros((h, w), np.uint8)])
    return ramp.astype(np.uint16) * 257 if kind == "16 bits" else ramp


def hw_of(restored: pipeline.Restored) -> tuple[int, ...]:
    with Image.open(io.BytesIO(restored.encoded)) as image:
        return image.size[::-1]


@pytest.mark.parametrize("kind", ["colour", "grey", "alpha", "clear", "16 bits"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_shape_passes_through_every_stage(
    loaded: pipeline.Pipeline, shape: tuple[int, int], kind: str
) -> None:
    pixels = picture(*shape, kind)
    for options in WORK.values():
        restored = loaded.restore(pixels, options)
        assert hw_of(restored) == restored.image.shape[:2] == shape
        assert restored.image.dtype == pixels.dtype
        if kind in ("alpha", "clear"):
            assert (restored.image[..., 3] == pixels[..., 3]).all()
            hidden = pixels[..., 3] == 0
            assert (restored.image[hidden] == pixels[hidden]).all()


@pytest.mark.parametrize("kind", ["colour", "grey", "alpha", "clear"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_shape_is_filled_where_a_mask_says_and_enlarged(
    loaded: pipeline.Pipeline, shape: tuple[int, int], kind: str
) -> None:
    pixels = picture(*shape, kind)
    mask = np.zeros(shape, np.uint8)
    mask[: -(-shape[0] // 2), : -(-shape[1] // 2)] = 255
    restored = loaded.restore(pixels, Options(format="png"), mask=mask)
    expected = pixels[..., None].repeat(3, 2) if pixels.ndim == 2 else pixels
    assert (restored.image[mask == 0] == expected[mask == 0]).all()
    assert hw_of(loaded.restore(pixels, Options(scale=2))) == (2 * shape[0], 2 * shape[1])


@pytest.mark.parametrize("shape", STRIPS, ids=str)
def test_a_strip_of_the_longest_side_is_restored(loaded: pipeline.Pipeline, shape: tuple[int, int]) -> None:
    restored = loaded.restore(picture(*shape, "colour"), WORK["thorough"])
    assert hw_of(restored) == shape
    found = restored.report.find(PreprocessFindings)
    assert found is not None
    assert found.region == (0, 0, *shape)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_holds_thin_pictures(loaded: pipeline.Pipeline, name: str) -> None:
    for shape in [(1, 1), (1, 640), (640, 1), (3, 2000)]:
        for kind in ("colour", "grey", "alpha", "16 bits"):
            options = Options(format=name, stages=("denoise",))
            assert hw_of(loaded.restore(picture(*shape, kind), options)) == shape


@pytest.mark.parametrize("shape", [*SHAPES, *STRIPS], ids=str)
def test_estimates_see_pixels_of_every_shape(shape: tuple[int, int]) -> None:
    image = np.full((3, *shape), 100, np.uint8)
    assert find_region(image) == Region(0, 0, *shape)
    assert estimate(image).cast == (0, 0, 0)
    before = image.copy()
    normalise(image, None)
    assert (image == before).all()


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (60, 80)])
def test_a_picture_of_one_colour_stays_so(
    loaded: pipeline.Pipeline, shape: tuple[int, int], colour: tuple[int, int, int], bits: int
) -> None:
    pixels = np.full((*shape, 3), colour, np.uint8 if bits == 8 else np.uint16)
    pixels *= 1 if bits == 8 else 257
    for options in (*WORK.values(), Options(format="png", scale=2), Options(scale=4, mode="thorough")):
        assert (loaded.restore(pixels, options).image == pixels[0, 0]).all()
    mask = np.zeros(shape, bool)
    mask[:, : shape[1] // 2 + 1] = True
    assert (loaded.restore(pixels, mask=mask).image == pixels[0, 0]).all()


def test_one_pixel_of_another_colour_is_enough_to_be_more_than_one_colour() -> None:
    image = np.full((3, 900, 700), 9, np.uint16)
    assert is_one_colour(image)
    image[1, -1, -1] = 10
    assert not is_one_colour(image)


def cut_out(photo: np.ndarray, hidden: tuple[int, int, int] | np.ndarray) -> np.ndarray:
    """An ellipse of a photograph, of colours `hidden` around it."""
    h, w = photo.shape[:2]
    y, x = np.mgrid[:h, :w]
    inside = (2 * y / h - 1) ** 2 / 0.7 + (2 * x / w - 1) ** 2 / 0.6 < 1
    return np.dstack([np.where(inside[..., None], photo, hidden), 255 * inside]).astype(np.uint8)


@pytest.mark.parametrize("options", [*WORK.values(), Options(scale=2), Options(stages=(), scale=4)])
def test_hidden_colours_count_in_no_stage(loaded: pipeline.Pipeline, options: Options) -> None:
    photo = add_noise(make_photo(220, 260) * 0.35 + 90, 14)
    mixed = np.random.default_rng(5).integers(0, 256, photo.shape)
    hiding: tuple[tuple[int, int, int] | np.ndarray, ...] = ((150, 150, 150), (255, 0, 255), mixed)
    one, *others = (loaded.restore(cut_out(photo, hidden), options) for hidden in hiding)
    shown = one.image[..., 3] > 0
    for other in others:
        assert other.report.estimates == one.report.estimates | {"deliver": other.report.estimates["deliver"]}
        assert (other.image[shown] == one.image[shown]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_hidden_colours_come_back_from_formats_that_hold_them(
    loaded: pipeline.Pipeline, dtype: type[np.unsignedinteger]
) -> None:
    pixels: np.ndarray = cut_out(add_noise(make_photo(120, 160), 25), (255, 0, 255)).astype(dtype)
    pixels *= dtype(257 if dtype is np.uint16 else 1)
    hidden = pixels[..., 3] == 0
    for mask in (None, np.pad(np.ones((20, 20), bool), ((50, 50), (70, 70)))):
        restored = loaded.restore(pixels, Options(format="tiff", stages=("denoise", "translate")), mask=mask)
        assert (restored.image[hidden] == pixels[hidden]).all()
        assert (restored.image[~hidden] != pixels[~hidden]).any()


def test_what_a_mask_marks_is_filled_where_it_is_hidden_too(loaded: pipeline.Pipeline) -> None:
    pixels = cut_out(make_photo(120, 160), (255, 0, 255))
    mask = pixels[..., 3] == 0
    filled = loaded.restore(pixels, Options(format="png"), mask=mask).image[mask]
    assert (np.abs(filled[:, :3].astype(int) - (255, 0, 255)).max(1) > 8).mean() > 0.99


def test_hidden_pixels_take_on_what_is_visible_around_them(workspace: Workspace) -> None:
    image, alpha = np.full((3, 200, 300), 200, np.uint8), np.full((1, 200, 300), 255, np.uint8)
    image[:, :, :150] = 40
    alpha[:, 60:140, 50:250] = 0
    hidden = is_hidden(alpha)
    image[0, hidden] = 255
    image[1:, hidden] = 0
    cover(workspace, image, alpha)
    assert (image[:, 70:130, 50:54] == 40).all()
    assert (image[:, 70:130, 246:250] == 200).all()
    assert ((image >= 40) & (image <= 200)).all()
    assert workspace.plane("hidden").shape == (3, 1, hidden.sum())


def test_where_nothing_is_visible_nothing_is_looked_at(workspace: Workspace) -> None:
    image = np.moveaxis(make_photo(50, 70), -1, 0).copy()
    cover(workspace, image, np.zeros((1, 50, 70), np.uint8))
    assert not image.any()
