import math

import pytest
import torch

from photorestore.fidelity import luma, psnr, psnr_y, ssim


def test_psnr_of_a_known_error() -> None:
    gt = torch.full((3, 8, 8), 0.5)
    assert psnr(gt + 0.1, gt) == pytest.approx(20.0, abs=1e-4)
    assert psnr(gt, gt) == math.inf


def test_psnr_counts_only_what_the_mask_marks() -> None:
    gt = torch.zeros(3, 4, 4)
    pred, mask = gt.clone(), torch.zeros(1, 4, 4)
    pred[:, 0, 0] = 0.1
    pred[:, 3, 3] = 1.0
    mask[0, 0, 0] = 1
    assert psnr(pred, gt, mask=mask) == pytest.approx(20.0, abs=1e-4)
    assert math.isnan(psnr(pred, gt, mask=torch.zeros(1, 4, 4)))


def test_ssim_agrees_with_scikit_image() -> None:
    structural_similarity = pytest.importorskip("skimage.metrics").structural_similarity
    rng = torch.Generator().manual_seed(0)
    gt = torch.rand(3, 40, 50, generator=rng)
    pred = (gt + 0.1 * torch.randn(gt.shape, generator=rng)).clamp(0, 1)
    _, full = structural_similarity(
        gt.double().numpy(),
        pred.double().numpy(),
        channel_axis=0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
        full=True,
    )
    assert ssim(pred, gt) == pytest.approx(float(full[:, 5:-5, 5:-5].mean()), abs=1e-6)
    assert ssim(gt, gt) == pytest.approx(1.0)


def test_luma_is_that_of_matlab() -> None:
    """rgb2ycbcr: black 16, white 235, red 81.481, green 144.553, blue 40.966 (of 255)."""
    colours = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).float()
    y = luma(colours.T.view(3, 1, 5))[0, 0] * 255
    assert y.tolist() == pytest.approx([16, 235, 81.481, 144.553, 40.966], abs=1e-4)


def test_psnr_of_luma_leaves_out_the_border() -> None:
    gt = torch.rand(3, 12, 14)
    pred = gt + 0.1
    pred[:, 0] = pred[:, :, -1] = 9.0
    assert psnr_y(pred, gt, border=1) == pytest.approx(-20 * math.log10(0.1 * 219 / 255), abs=1e-4)
    assert psnr_y(pred, gt, border=0) < 15
