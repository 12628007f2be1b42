import numpy as np
import pytest
import torch
from PIL import Image

from photorestore.pixels.luma import luma_of
from photorestore.pixels.tensors import blur, gaussian_taps, luma
from tests.conftest import make_photo


def test_luma_is_that_of_pillow_to_within_rounding_for_arrays_and_tensors() -> None:
    photo = make_photo(40, 50)
    expected = np.asarray(Image.fromarray(photo).convert("L")).astype(float)
    assert abs(luma_of(photo.transpose(2, 0, 1).astype(np.float32)) - expected).max() <= 0.51
    tensor = luma(torch.from_numpy(photo).permute(2, 0, 1).float())
    assert tensor.shape == (1, 40, 50)
    assert abs(tensor[0].numpy() - expected).max() <= 0.51


def test_luma_of_grey_is_the_grey() -> None:
    grey = torch.rand(2, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(luma(grey.expand(-1, 3, -1, -1)), grey)


@pytest.mark.parametrize("sigma_px", [0.7, 1.5, 4.0])
def test_taps_are_a_bell_of_sum_one_and_of_their_width(sigma_px: float) -> None:
    taps = gaussian_taps(sigma_px, 20, torch.float64)
    assert float(taps.sum()) == pytest.approx(1)
    assert torch.equal(taps, taps.flip(0))
    at = torch.arange(-20, 21, dtype=torch.float64)
    assert float((taps * at**2).sum()) == pytest.approx(sigma_px**2, rel=0.02)


def test_a_blur_keeps_planes_and_loses_its_rim() -> None:
    y, x = torch.meshgrid(torch.arange(30.0), torch.arange(40.0), indexing="ij")
    slope = (2 * x - y)[None, None]
    blurred = blur(slope, gaussian_taps(1.5, 5))
    assert blurred.shape == (1, 1, 20, 30)
    torch.testing.assert_close(blurred, slope[..., 5:-5, 5:-5], atol=1e-4, rtol=1e-4)
