import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from bench import deconvolution, report, unknown_blurs
from tests.conftest import make_photo


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A picture of each set, and kernels."""
    for name in ("Set14", "BSD100/cbsd68", "kernels"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("Set14", "BSD100/cbsd68"):
        Image.fromarray(make_photo(60, 70)).save(tmp_path / name / "1.png")
    cells = np.empty((1, 12), object)
    for number in range(12):
        cells[0, number] = np.ones((3, 4))
    scipy.io.savemat(tmp_path / "kernels/kernels_12.mat", {"kernels": cells})
    with h5py.File(tmp_path / "kernels" / deconvolution.LEVIN, "w") as stored:
        references = stored.create_dataset("kernels", (8, 1), h5py.ref_dtype)
        for number in range(8):
            references[number, 0] = stored.create_dataset(f"r/{number}", data=np.eye(13 + number)).ref
    for name in deconvolution.FILES:
        Image.fromarray(np.full((4, 4), 9, np.uint8)).save(tmp_path / "kernels" / f"{name}.png")
    return tmp_path


def test_kernels_are_odd_and_keep_light(root: Path) -> None:
    kernels = deconvolution.read_kernels(root / "kernels")
    assert len(kernels) == 30
    for psf in kernels.values():
        assert psf.shape[0] == psf.shape[1]
        assert len(psf) % 2 == 1
        assert float(psf.sum()) == pytest.approx(1, abs=1e-5)


def test_a_shake_is_a_thin_path_that_repeats_by_its_seed() -> None:
    psf = deconvolution.shake(21, seed=21)
    assert torch.equal(psf, deconvolution.shake(21, seed=21))
    assert not torch.equal(psf, deconvolution.shake(21, seed=22))
    assert 21 <= int((psf > 0).sum()) < 21 * 21 / 2


def test_blurring_keeps_what_the_kernel_fits_in() -> None:
    psf = torch.zeros(5, 5)
    psf[2, 2] = 1
    blurred, gt = deconvolution.blur(make_photo(60, 70), psf, 0, seed=0)
    assert gt.shape == (1, 3, 56, 66)
    torch.testing.assert_close(blurred, gt)


def test_every_method_is_measured_and_reported(root: Path) -> None:
    result = deconvolution.measure(root, every=15)
    for level in result["psnr_db"].values():
        assert list(level) == ["blurred input", "half-quadratic splitting", "Wiener", "Richardson-Lucy"]
    assert [len(found) for found in result["by_kernel_db"].values()] == [2, 2]
    text = report.SECTIONS["deblur"](json.loads(json.dumps(result)))
    assert "| kernels_12, 1 |" in text
    assert "kernels), " in text


def test_an_estimate_is_moved_onto_the_given_kernel() -> None:
    psf = deconvolution.shake(13, seed=13)
    found = torch.zeros(21, 21)
    found[1:14, 6:19] = psf
    moved = unknown_blurs.moved_onto(psf, found)
    radius, middle = len(psf) // 2, len(moved) // 2
    around = moved[middle - radius : middle + radius + 1, middle - radius : middle + radius + 1]
    torch.testing.assert_close(around, psf, atol=1e-4, rtol=0)


def test_unknown_blurs_are_measured_and_reported(root: Path) -> None:
    result = unknown_blurs.measure(root, every=14)
    assert len(result["by_kernel_db"]) == 2
    assert len(result["problems"]) == 2, "the pictures are too small"
    for scores in result["by_kernel_db"].values():
        assert scores["auto"] == scores["network"], "nothing was found"
    text = report.SECTIONS["deblur_unknown"](json.loads(json.dumps(result)))
    assert "| auto | " in text
    assert "in 0 pictures" in text
    assert "of 2 pictures are within 2 dB" in text
