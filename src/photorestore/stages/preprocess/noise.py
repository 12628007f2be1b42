"""Estimate noise of single pixels, and grain that is wider.

After Liu, Tanaka and Okutomi (TIP 2013) and Chen, Zhu and Heng (ICCV 2015): in patches of weak texture the least
eigenvalue of the patches' covariance is the variance of the noise, since texture has few directions and noise has all.
Here weak texture is chosen in two steps, without iterating: first blocks, by their variance after smoothing, which
noise hardly affects, then patches. The bias of the second choice is divided out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Floats = npt.NDArray[np.float32]

WEAK_BLOCKS = 0.25
WEAK_PATCHES = 0.6
"""The share of blocks and patches of least texture that is used."""
PATCH_PX = 6
"""Side of the patches whose covariance is taken."""
BIAS = 0.855
"""The undivided estimate for white noise of 1 on photographs."""
NOISY_SIGMA_255 = 8.5
"""A picture counts as noisy from this estimate on."""
ENLARGED_RATIO = 8.0
"""Noise at half the size over noise at full size from which grain counts as wider than a pixel, as in enlarged
pictures. White noise has 1/2, photographs have 1 to 3."""
ENLARGED_SIGMA_255 = 5.5
"""`NOISY_SIGMA_255` at half the size, for such a picture."""
BLAS_ROWS = 128


def find_noise(blocks: Floats, alive: Floats) -> tuple[float, float, bool]:
    """Return noise and grain in 8-bit units, and whether they are worth removing.

    Args:
        blocks: samples (N, 3, B, B) of 0 to 255.
        alive: `unclipped` of them.
    """
    sigma_255 = noise_of(alive)
    halved_255 = noise_of(unclipped(shrunk(blocks[::2], 2)))
    grain_255 = 2 * halved_255  # white noise halves with the size
    if halved_255 > max(ENLARGED_RATIO * sigma_255, ENLARGED_SIGMA_255):
        return halved_255, grain_255, True
    return sigma_255, grain_255, sigma_255 >= NOISY_SIGMA_255


def noise_of(blocks: Floats) -> float:
    """Return the deviation of white noise in samples (N, 3, B, B) as of `unclipped`; the mean over channels."""
    weak = _weak_quarters(blocks, WEAK_BLOCKS)
    variances = [_least_variance(channel) for channel in weak.swapaxes(0, 1)]
    return float(np.sqrt(np.mean(variances))) / BIAS


def _least_variance(samples: Floats) -> float:
    """Least eigenvalue of the covariance of the weakest patches in samples (N, b, b)."""
    side = PATCH_PX
    patches = sliding_window_view(samples, (side, side), axis=(1, 2))[:, ::2, ::2].reshape(-1, side**2)
    patches = patches - patches.mean(axis=1, keepdims=True)
    texture = np.einsum("ij,ij->i", patches, patches)
    kept = min(len(texture), max(400, int(WEAK_PATCHES * len(texture)))) - 1
    weak = patches[texture <= np.partition(texture, kept)[kept]]
    covariance = _covariance(weak - weak.mean(axis=0))
    # The least eigenvalue belongs to the patches' mean, which was taken out, so the second least counts.
    return max(0.0, float(np.linalg.eigvalsh(covariance)[1]))


def _covariance(rows: Floats) -> npt.NDArray[np.float64]:
    """Return the covariance (D, D) of centred rows (N, D), the last few left out.

    Computed in products too small for the BLAS to start threads, which cost more than they gain and change the sum.
    """
    size = min(BLAS_ROWS, len(rows))
    parts = rows[: len(rows) // size * size].reshape(-1, size, rows.shape[1])
    products = parts.swapaxes(1, 2) @ parts
    return products.astype(np.float64).sum(axis=0) / (parts.shape[0] * size)


def unclipped(blocks: Floats) -> Floats:
    """Return the samples that are neither clipped nor of one colour; all of them if too few are left."""
    values = blocks.reshape(len(blocks), -1)
    clipped = ((values < 1) | (values > 254)).mean(axis=1)
    is_alive = values.reshape(len(blocks), 3, -1).std(axis=2).max(axis=1) > 0
    for most in (0.05, 0.5):
        good = (clipped < most) & is_alive
        if good.sum() >= 8:
            return blocks[good]
    return blocks


def _weak_quarters(blocks: Floats, share: float) -> Floats:
    """The samples, cut to 16 px, that vary least after smoothing: (n, 3, 16, 16)."""
    count, channels, side, _ = blocks.shape
    cuts = side // 16
    quarters = blocks.reshape(count, channels, cuts, 16, cuts, 16).transpose(0, 2, 4, 1, 3, 5)
    quarters = quarters.reshape(-1, channels, 16, 16)
    texture = shrunk(quarters, 4).reshape(len(quarters), channels, 16).var(axis=2).sum(axis=1)
    return quarters[np.argsort(texture, kind="stable")[: max(24, int(share * len(quarters)))]]


def shrunk(samples: Floats, factor: int) -> Floats:
    """Return the means over squares of `factor` px."""
    rows = samples[..., ::factor, :].copy()
    for offset in range(1, factor):
        rows += samples[..., offset::factor, :]
    shrunk = rows[..., ::factor].copy()
    for offset in range(1, factor):
        shrunk += rows[..., offset::factor]
    return shrunk / np.float32(factor**2)
