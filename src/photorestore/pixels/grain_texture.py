"""Make noise that looks like a picture's grain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photorestore.pixels.luma import luma_of
from photorestore.pixels.squares import CELL_PX

Floats = npt.NDArray[np.float32]

LAG_PX = 8
"""Pixels further apart than this have nothing of their grain in common."""
PERIOD_PX = 256
"""The noise repeats after so many pixels."""
SEED = 20


def texture_of(samples: Floats) -> Floats:
    """Return noise (3, PERIOD_PX, PERIOD_PX) whose pixels and channels correlate as in samples (n, 3, CELL_PX**2)."""
    spectrum = _spectrum(samples)
    white = np.random.default_rng(SEED).standard_normal((3, PERIOD_PX, PERIOD_PX))
    noise = np.fft.ifft2(np.fft.fft2(white) * np.sqrt(spectrum)).real
    noise /= noise.std(axis=(1, 2), keepdims=True)
    if np.ptp(samples, axis=1).max() < 1e-3:  # a grey picture's grain is grey
        noise = np.repeat(noise[:1], 3, axis=0)
    else:
        values, vectors = np.linalg.eigh(np.einsum("nci,ndi->cd", samples, samples, dtype=np.float64))
        noise = np.einsum("cd,dhw->chw", vectors * np.sqrt(np.maximum(values, 0)), noise)
    texture: Floats = (noise / luma_of(noise).std()).astype(np.float32)
    return texture


def _spectrum(samples: Floats) -> npt.NDArray[np.float64]:
    """Return the power over (PERIOD_PX, PERIOD_PX) frequencies, from the correlation at lags below `LAG_PX`."""
    cells = samples.reshape(-1, CELL_PX, CELL_PX)
    power = np.abs(np.fft.fft2(cells, (2 * CELL_PX, 2 * CELL_PX))) ** 2
    lags = np.arange(1 - LAG_PX, LAG_PX)
    overlap = CELL_PX - np.abs(lags)
    fade = 0.5 + 0.5 * np.cos(np.pi * (2 * np.abs(lags) / LAG_PX - 1).clip(0))
    correlation = np.fft.ifft2(power.mean(axis=0)).real[np.ix_(lags, lags)]
    period = np.zeros((PERIOD_PX, PERIOD_PX))
    period[np.ix_(lags, lags)] = correlation * np.outer(fade / overlap, fade / overlap)
    return np.maximum(np.fft.fft2(period).real, 0)
