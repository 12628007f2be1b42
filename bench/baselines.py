"""Classical methods from packages, to stand beside ours. Arrays are (H, W, 3) in [0, 1] unless said."""

from __future__ import annotations

import bm3d
import cv2
import numpy as np
from skimage.restoration import denoise_nl_means

from bench.pictures import Floats, Pixels


def non_local_means(noisy: Floats, sigma: float) -> Floats:
    """Denoise by non-local means (Buades et al., 2005), told the noise level (scikit-image, fast, h = 0.6 sigma)."""
    return denoise_nl_means(
        noisy, h=0.6 * sigma, sigma=sigma, patch_size=5, patch_distance=6, fast_mode=True, channel_axis=-1
    ).astype(np.float32)


def block_matching_3d(noisy: Floats, sigma: float) -> Floats:
    """Denoise by colour BM3D (Dabov et al., 2007), told the noise level."""
    return bm3d.bm3d_rgb(noisy.astype(np.float64), sigma).astype(np.float32)


def block_matching_3d_grey(noisy: Floats, sigma: float) -> Floats:
    """Denoise one channel (H, W) by BM3D, told the noise level."""
    return bm3d.bm3d(noisy.astype(np.float64), sigma).astype(np.float32)


def telea(pixels: Pixels, mask: Pixels) -> Pixels:
    """Fill by fast marching (Telea, 2004), radius 3 px; mask (H, W), nonzero = hole."""
    return np.asarray(cv2.inpaint(np.ascontiguousarray(pixels), mask, 3, cv2.INPAINT_TELEA), np.uint8)


def navier_stokes(pixels: Pixels, mask: Pixels) -> Pixels:
    """Fill by Navier-Stokes (Bertalmio et al., 2001), radius 3 px; mask (H, W), nonzero = hole."""
    return np.asarray(cv2.inpaint(np.ascontiguousarray(pixels), mask, 3, cv2.INPAINT_NS), np.uint8)
