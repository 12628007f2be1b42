"""What a caller gets who asks for colours, by the stages that it takes."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photorestore import pipeline
from photorestore.errors import NotAnImage, UnsupportedOption
from photorestore.imaging.metadata.stated import GENERATED
from photorestore.options import Options
from photorestore.pipeline import Pipeline
from photorestore.stages.colorize.findings import ColorizeFindings
from tests.conftest import make_photo

LEARNED = Options(colorize="learned", stages=(), format="png")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    root: Path = tmp_path_factory.mktemp("spaces")
    return pipeline.load(stages=("preprocess", "colorize", "deliver"), root=root)


def file_of(image: Image.Image, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG", **options)
    return content.getvalue()


@pytest.fixture(scope="module")
def grey() -> Image.Image:
    return Image.fromarray(make_photo(61, 83)).convert("L")


def test_a_grey_file_comes_back_in_colour_and_says_so(loaded: Pipeline, grey: Image.Image) -> None:
    restored = loaded.restore(file_of(grey), LEARNED)
    picture = Image.open(io.BytesIO(restored.encoded))
    assert picture.mode == "RGB"
    assert float(np.ptp(restored.image.astype(int), axis=2).mean()) > 1
    found = restored.report.find(ColorizeFindings)
    assert found is not None
    assert (found.method, found.invented, found.from_reference) == ("learned", 1, 0)
    packet = picture.info["xmp"].decode()
    assert GENERATED in packet
    assert found.in_words in packet


def test_the_file_says_so_without_metadata_too(loaded: Pipeline, grey: Image.Image) -> None:
    options = Options(colorize="learned", stages=(), format="jpeg", metadata="strip")
    assert b"photorestore:Colours" in loaded.restore(file_of(grey), options).encoded


@pytest.mark.parametrize("mode", ["LA", "RGBA", "I;16", "P"])
def test_pictures_of_all_kinds_get_colours_and_keep_their_opacity(
    loaded: Pipeline, grey: Image.Image, mode: str
) -> None:
    picture = grey.convert("RGBA") if mode == "RGBA" else grey.convert("P") if mode == "P" else grey
    if mode == "LA":
        picture = Image.merge("LA", (grey, Image.linear_gradient("L").resize(grey.size)))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    restored = loaded.restore(file_of(picture), LEARNED)
    assert restored.image.dtype == (np.uint16 if mode == "I;16" else np.uint8)
    assert restored.image.shape == (61, 83, 4 if mode in ("LA", "RGBA") else 3)
    if mode == "LA":
        np.testing.assert_array_equal(restored.image[..., 3], np.asarray(picture)[..., 1])


def test_a_reference_is_needed_where_its_colours_are_asked_for(loaded: Pipeline, grey: Image.Image) -> None:
    with pytest.raises(UnsupportedOption, match="needs a photograph as the part reference"):
        loaded.restore(file_of(grey), Options(colorize="exemplar"))


def test_a_reference_without_use_is_refused(loaded: Pipeline, grey: Image.Image) -> None:
    with pytest.raises(UnsupportedOption, match="a reference is for"):
        loaded.restore(file_of(grey), LEARNED, reference=make_photo(20, 30))


def test_a_reference_that_is_no_picture_is_named(loaded: Pipeline, grey: Image.Image) -> None:
    with pytest.raises(NotAnImage):
        loaded.restore(file_of(grey), Options(colorize="transfer"), reference=b"no picture")


def test_an_unrelated_reference_is_not_used_and_that_is_told(loaded: Pipeline, grey: Image.Image) -> None:
    reference = np.random.default_rng(0).integers(0, 256, (90, 90, 3)).astype(np.uint8)
    options = Options(colorize="exemplar", stages=(), format="png")
    restored = loaded.restore(file_of(grey), options, reference=reference)
    np.testing.assert_array_equal(restored.image, loaded.restore(file_of(grey), LEARNED).image)
    found = restored.report.find(ColorizeFindings)
    assert found is not None
    assert (found.accepted, found.from_reference, found.invented) == (0, 0, 1)
    assert "the reference was not used: it shows too little" in found.in_words
    assert found.in_words in Image.open(io.BytesIO(restored.encoded)).info["xmp"].decode()


@pytest.mark.parametrize("method", ["exemplar", "transfer"])
def test_references_of_other_sizes_and_depths_are_taken(
    loaded: Pipeline, grey: Image.Image, method: str
) -> None:
    options = Options(colorize=method, stages=(), format="png")
    reference = make_photo(1400, 30).astype(np.uint16) * 257
    restored = loaded.restore(file_of(grey), options, reference=reference)
    assert restored.report.trace["colorize"].outcome == "ran"


def test_strength_0_gives_back_the_upload(loaded: Pipeline, grey: Image.Image) -> None:
    options = Options(colorize="learned", stages=(), strength={"colorize": 0.0})
    upload = file_of(grey)
    assert loaded.restore(upload, options).encoded == upload
