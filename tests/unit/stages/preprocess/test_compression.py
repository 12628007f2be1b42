"""What is read from a JPEG's table."""

import io

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from photorestore.stages.preprocess.compression import jpeg_quality
from photorestore.stages.preprocess.estimates import estimate
from tests.conftest import add_noise, make_photo
from tests.unit.stages.preprocess.test_estimates import found, textured


@pytest.mark.parametrize("quality", [5, 20, 30, 31, 50, 75, 90, 95, 100])
def test_jpeg_quality_is_read_from_the_tables(quality: int) -> None:
    file = io.BytesIO()
    Image.fromarray(make_photo(64, 64)).save(file, "JPEG", quality=quality)
    table = JpegImageFile(io.BytesIO(file.getvalue())).quantization[0]
    assert jpeg_quality(table) == quality
    assert estimate(np.zeros((3, 64, 64), np.uint8), table).noisy is (quality <= 30)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("quality", [10, 40, 75])
def test_artefacts_of_a_jpeg_are_estimated(mode: str, quality: int) -> None:
    photo = Image.fromarray(add_noise(textured(), 4)).convert(mode)
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=quality)
    stored = JpegImageFile(io.BytesIO(file.getvalue()))
    lq, gt = (np.asarray(picture.convert("RGB")) for picture in (stored, photo))
    estimates = estimate(lq.transpose(2, 0, 1), stored.quantization[0])
    true_255 = np.square(lq.astype(float) - gt).mean() ** 0.5
    assert estimates.artefacts_255 is not None
    assert true_255 / 2 < estimates.artefacts_255 < 2 * true_255


def test_without_a_table_no_artefacts_are_estimated() -> None:
    assert found(textured()).artefacts_255 is None
