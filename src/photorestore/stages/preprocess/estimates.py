"""What is wrong with a picture: noise, blur, fading, cast, JPEG compression. Blind, and on a fixed subsample.

Samples are taken inside the picture's border, where it is opaque (`region.py`).

Noise, after Liu, Tanaka and Okutomi (TIP 2013) and Chen, Zhu and Heng (ICCV 2015): in patches of weak texture the
least eigenvalue of the patches' covariance is the variance of the noise, since texture has few directions and
noise has all. Here weak texture is chosen in two steps without iterating, first whole blocks by their variance
after smoothing, which noise hardly enters, then patches; the bias of the second choice is divided out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from photorestore.imaging.planes import strips
from photorestore.pixels.region import blocks_of, every_nth, find_region, in_8_bits, is_opaque
from photorestore.stages.preprocess.flat_places import surface_of
from photorestore.workspace import Array

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EstimateConfig:
    """Sizes and thresholds, tuned on training photographs.

    Attributes:
        block_px: side of the square samples at native resolution.
        blocks_per_side: at most so many samples along a side.
        weak_blocks, weak_patches: the share of least texture that is used.
        patch_px: side of the patches whose covariance is taken.
        bias: what the estimate gives for white noise of 1 on photographs.
        noisy_sigma_255: from here on a picture counts as noisy.
        enlarged_ratio: noise at half the size over noise at full size from which grain counts as wider than a
            pixel, as in enlarged pictures. White noise has 1/2, photographs have 1 to 3.
        enlarged_sigma_255: `noisy_sigma_255` at half the size, for such a picture.
        jpeg_quality: up to this quality a JPEG counts as noisy.
        fine_steps: so many of a quantisation table's finest steps tell how coarse it is.
        coarse_power: artefacts grow with this power of that coarseness.
        grey_artefacts, colour_artefacts: standard deviation of a JPEG's artefacts over that power, in a photograph of
            usual detail; nearly the same from quality 8 to 75 (`training/tune_levels.py`).
        view_px: about the longest side of the view from which tone is judged.
        full_fading: geometric mean of the lost shares of black and white that counts as fading 1.
        faded: from this fading on a picture counts as faded.
        grey_255: channels that differ by no more count as equal.
    """

    block_px: int = 32
    blocks_per_side: int = 16
    weak_blocks: float = 0.25
    weak_patches: float = 0.6
    patch_px: int = 6
    bias: float = 0.855
    noisy_sigma_255: float = 8.5
    enlarged_ratio: float = 8.0
    enlarged_sigma_255: float = 5.5
    jpeg_quality: int = 30
    fine_steps: int = 16
    coarse_power: float = 0.42
    grey_artefacts: float = 1.65
    colour_artefacts: float = 2.1
    view_px: int = 320
    full_fading: float = 0.4
    faded: float = 0.75
    grey_255: int = 4


CONFIG = EstimateConfig()

BLAS_ROWS = 128

_IJG_LUMINANCE = (  # the standard's table K.1 by rising value: only its sum is used
    *(10, 11, 12, 12, 13, 14, 14, 14, 16, 16, 16, 17, 18, 19, 22, 22, 24, 24, 24, 26, 29, 35, 37, 40, 40, 49),
    *(51, 51, 55, 55, 56, 56, 57, 58, 60, 61, 62, 64, 64, 68, 69, 72, 77, 78, 80, 81, 87, 87, 92, 92, 95, 98),
    *(99, 100, 101, 103, 103, 103, 104, 109, 112, 113, 120, 121),
)


def estimate(
    image: Array,
    quantisation: Sequence[int] | None = None,
    config: EstimateConfig = CONFIG,
    *,
    alpha: Array | None = None,
) -> dict[str, Any]:
    """`Envelope.estimates["preprocess"]` of a plane (3, H, W).

    Args:
        quantisation: the upload's first JPEG quantisation table, or None.
        alpha: the picture's plane `alpha`, (1, H, W).

    Returns:
        region: top, left, height and width of the picture inside its border, in pixels.
        sigma_255: noise, standard deviation in 8-bit units, mean over channels; 0 for pictures below 32 px.
        grain_255: the same for noise that is wider than a pixel, as film grain is; fine texture counts as such, too.
        surface_255: of grain and paper of any width, as `flat_places` finds it; 3 in most clean photographs, but 8
            and more in those that have no flat place.
        noisy: whether denoising is worth it.
        jpeg_quality: 1 to 100 in libjpeg's scale, or None.
        artefacts_255: of a JPEG, from `artefacts_of`, or None.
        gradient_255: mean difference of neighbours along columns and rows, added; 0 for pictures below 32 px.
        blur: 0 sharp to 1 blurred (Crété-Roffet et al., 2007).
        fading: 0 to 1, and faded: whether restoring tone is worth it.
        cast: three factors minus one by which a channel exceeds grey.
        is_grey: whether the channels are equal, but for compression.
    """
    region = find_region(image, alpha)
    image = region.of(image)
    shown = None if alpha is None else region.of(alpha)
    blocks = blocks_of(image, shown, config.block_px, config.blocks_per_side)
    sigma_255, grain_255, is_noisy = (0.0, 0.0, False) if blocks is None else _noise(blocks, config)
    quality = None if quantisation is None else jpeg_quality(quantisation)
    view = shown_view(image, shown, config.view_px)
    fading = _fading(view, config)
    spread = view.max(axis=0) - view.min(axis=0)
    is_grey = bool(np.quantile(spread, 0.99) <= config.grey_255)
    gradient_255 = 0.0 if blocks is None else _gradient(blocks)
    artefacts_255 = None if quantisation is None else round(artefacts_of(quantisation, is_grey=is_grey), 2)
    return {
        "region": region.as_list(),
        "sigma_255": round(sigma_255, 2),
        "grain_255": round(grain_255, 2),
        "surface_255": 0.0 if blocks is None else round(surface_of(_unclipped(blocks)), 2),
        "noisy": is_noisy or (quality is not None and quality <= config.jpeg_quality),
        "jpeg_quality": quality,
        "artefacts_255": artefacts_255,
        "gradient_255": round(gradient_255, 2),
        "blur": 0.0 if blocks is None else round(_blur(blocks), 3),
        "fading": round(fading, 3),
        "faded": fading >= config.faded,
        "cast": [round(float(value), 3) for value in _cast(view)],
        "is_grey": is_grey,
    }


def is_one_colour(image: Array) -> bool:
    """Whether all pixels of a plane (3, H, W) are equal; one row mostly tells that they are not."""
    first = image[:, :1, :1]
    parts = (image[:, rows] for rows in (slice(0, 1), *strips(*image.shape[1:])))
    return all(bool((part == first).all()) for part in parts)


def view_of(image: Array, side_px: int) -> npt.NDArray[np.uint8]:
    """Every n-th pixel of a plane, (3, h, w) in 8 bits, so that the longest side is about `side_px`."""
    return in_8_bits(reduced(image, side_px))


def reduced(plane: Array, side_px: int) -> Array:
    """Every n-th pixel of a plane (C, H, W), so that the longest side is about `side_px`: a view."""
    return every_nth(plane, max(1, max(plane.shape[1:]) // side_px))


def shown_view(image: Array, alpha: Array | None, side_px: int) -> npt.NDArray[np.uint8]:
    """`view_of` a plane, or those of its pixels that are opaque, (3, n), where some are not and some are."""
    view = view_of(image, side_px)
    opaque = None if alpha is None else is_opaque(reduced(alpha, side_px)[0])
    return view if opaque is None or opaque.all() or not opaque.any() else view[:, opaque]


def luma_of(view: npt.NDArray[np.uint8]) -> Floats:
    """(h, w), 0 to 255."""
    red, green, blue = view.astype(np.float32)
    luma: Floats = 0.299 * red + 0.587 * green + 0.114 * blue
    return luma


def jpeg_quality(quantisation: Sequence[int]) -> int:
    """The quality at which libjpeg would have made a luminance table of the same coarseness."""
    found = sum(quantisation)
    return min(range(1, 101), key=lambda quality: (abs(_table_sum(quality) - found), -quality))


def artefacts_of(quantisation: Sequence[int], *, is_grey: bool, config: EstimateConfig = CONFIG) -> float:
    """Standard deviation of a JPEG's artefacts, in 8-bit units, in a photograph of usual detail.

    What lies below a step is lost: coarser steps lose more. How much detail there was to lose is not asked: the
    denoiser sees that, and it learns the level as a name of the table.

    Args:
        quantisation: the JPEG's first table, 64 steps in any order.
    """
    step = float(np.mean(sorted(quantisation)[: config.fine_steps]))
    share = config.grey_artefacts if is_grey else config.colour_artefacts
    return float(share * step**config.coarse_power)


@cache
def _table_sum(quality: int) -> int:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(max((entry * scale + 50) // 100, 1), 255) for entry in _IJG_LUMINANCE)


def _gradient(blocks: Floats) -> float:
    """Of green: as good as luma here, and at hand."""
    green = blocks[:, 1]
    return float(np.abs(np.diff(green, axis=1)).mean() + np.abs(np.diff(green, axis=2)).mean())


def _noise(blocks: Floats, config: EstimateConfig) -> tuple[float, float, bool]:
    """Noise and grain in 8-bit units, and whether they are worth removing."""
    sigma_255 = noise_of(blocks, config)
    halved_255 = noise_of(_shrunk(blocks[::2], 2), config)
    grain_255 = 2 * halved_255  # white noise halves with the size
    if halved_255 > max(config.enlarged_ratio * sigma_255, config.enlarged_sigma_255):
        return halved_255, grain_255, True
    return sigma_255, grain_255, sigma_255 >= config.noisy_sigma_255


def noise_of(blocks: Floats, config: EstimateConfig = CONFIG) -> float:
    """Standard deviation of the white noise in samples (N, 3, B, B) of 0 to 255; the mean over channels."""
    weak = _weak_quarters(_unclipped(blocks), config.weak_blocks)
    variances = [_least_variance(channel, config) for channel in weak.swapaxes(0, 1)]
    return float(np.sqrt(np.mean(variances))) / config.bias


def _least_variance(samples: Floats, config: EstimateConfig) -> float:
    """Least eigenvalue of the covariance of the weakest patches in samples (N, b, b)."""
    side = config.patch_px
    patches = sliding_window_view(samples, (side, side), axis=(1, 2))[:, ::2, ::2].reshape(-1, side**2)
    patches = patches - patches.mean(axis=1, keepdims=True)
    texture = np.einsum("ij,ij->i", patches, patches)
    kept = min(len(texture), max(400, int(config.weak_patches * len(texture)))) - 1
    weak = patches[texture <= np.partition(texture, kept)[kept]]
    covariance = _covariance(weak - weak.mean(axis=0))
    # The very least belongs to the patches' mean, which was taken out.
    return max(0.0, float(np.linalg.eigvalsh(covariance)[1]))


def _covariance(rows: Floats) -> npt.NDArray[np.float64]:
    """Of centred rows (N, D): (D, D), the last few left out.

    In products too small for the BLAS to wake its threads, which cost more than they do here and change the sum.
    """
    size = min(BLAS_ROWS, len(rows))
    parts = rows[: len(rows) // size * size].reshape(-1, size, rows.shape[1])
    products = parts.swapaxes(1, 2) @ parts
    return products.astype(np.float64).sum(axis=0) / (parts.shape[0] * size)


def _unclipped(blocks: Floats) -> Floats:
    """The samples that are neither clipped nor of one colour, as long as there are enough of them."""
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
    texture = _shrunk(quarters, 4).reshape(len(quarters), channels, 16).var(axis=2).sum(axis=1)
    return quarters[np.argsort(texture, kind="stable")[: max(24, int(share * len(quarters)))]]


def _shrunk(samples: Floats, factor: int) -> Floats:
    """The mean over squares of `factor` px."""
    rows = samples[..., ::factor, :].copy()
    for offset in range(1, factor):
        rows += samples[..., offset::factor, :]
    shrunk = rows[..., ::factor].copy()
    for offset in range(1, factor):
        shrunk += rows[..., offset::factor]
    return shrunk / np.float32(factor**2)


def _blur(blocks: Floats) -> float:
    """How little of the variation between neighbours another blur takes away."""
    green = blocks[::2, 1]
    return max(_blur_along(green), _blur_along(green.swapaxes(1, 2)))


def _blur_along(samples: Floats) -> float:
    taps = 9
    width = samples.shape[2] - taps + 1
    blurred = samples[..., :width].copy()
    for tap in range(1, taps):
        blurred += samples[..., tap : tap + width]
    blurred /= taps
    inner = samples[..., taps // 2 : -(taps // 2)]
    before, after = np.abs(np.diff(inner)), np.abs(np.diff(blurred))
    total = float(before.sum())
    return 1.0 if total == 0 else 1 - float(np.maximum(0, before - after).sum()) / total


def _fading(view: npt.NDArray[np.uint8], config: EstimateConfig) -> float:
    """Both ends of the scale must be lost: a night scene keeps its black, snow keeps its white."""
    black, white = np.quantile(luma_of(view), (0.005, 0.995)) / 255
    return min(1.0, float(np.sqrt(black * (1 - white))) / config.full_fading)


def _cast(view: npt.NDArray[np.uint8]) -> Floats:
    """Shades of grey (Finlayson and Trezzi, 2004) with Minkowski norm 6."""
    levels = (np.arange(256) / 255) ** 6
    norms = np.array([levels[channel].mean() ** (1 / 6) for channel in view])
    cast: Floats = (norms / max(float(norms.mean()), 1e-6) - 1).astype(np.float32)
    return cast
