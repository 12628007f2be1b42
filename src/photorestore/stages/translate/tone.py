"""Lift faded tone and colours of a whole picture, by what `tone_network.py` predicts from a small view of it.

The correction is bounded. It is found inside the picture's border, where it is opaque, and applied everywhere, in
strips, at the plane's full depth. Colour prints get a curve for each channel, and mixed channels. Pictures of one hue,
such as sepia prints, keep it: their luma gets a curve, and grey stays grey.
Ends of the scale are bent, not cut, so that a face keeps its modelling; a picture of one colour stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.pixels.bands import strips
from photorestore.pixels.luma import LUMA
from photorestore.pixels.region import Region, is_opaque
from photorestore.pixels.tensors import luma
from photorestore.stages.preprocess import views
from photorestore.stages.translate.tone_network import (
    VIEW_PX,
    Correction,
    apply_curves,
    quantiles_of,
)
from photorestore.workspace import Array

Floats = npt.NDArray[np.float32]
ToneFinder = Callable[[Tensor, Tensor], Correction]
"""`ToneNetwork`, or what runs it: a view and its quantiles in, a correction of each picture out."""

KNEE = 0.04
"""Values this close to the ends of the scale are bent."""

LEAST_TINT = 0.5
"""Share of a toned picture's chroma that stays where its luma nears black or white."""

ONE_HUE = 7 / 255
"""Nearly all colours of a toned picture are within this of the mean colour at their luma."""

FLAT, FULL = 0.06, 0.15
"""Range of luma below which a picture counts as of one colour, and from which it is corrected fully."""

TABLE = 65536
STRIP_SHARE = 4
"""Strips are smaller than elsewhere by this factor, since each takes floats of three channels."""


@dataclass(frozen=True, slots=True)
class Tone:
    """What to do with a picture.

    Attributes:
        curves: (C, TABLE), what becomes of evenly spaced values over [0, 1]; of luma where C is 1.
        mixing: (3, 3), rows of sum 1; unused for luma.
        weight: 0 to 1, how much of it is done.
    """

    curves: Floats
    mixing: Floats
    weight: float


def find_tone(
    network: ToneFinder,
    image: Array,
    region: Region,
    alpha: Array | None = None,
    *,
    keeps_hue: bool | None = None,
) -> Tone:
    """Ask the network about a plane (3, H, W).

    Args:
        region: the picture inside its border.
        alpha: (1, H, W); transparent pixels do not count.
        keeps_hue: whether it is grey or toned, so that only luma is corrected; None: by its colours.
    """
    view, known = _small_view(region.of(image), None if alpha is None else region.of(alpha))
    if keeps_hue or (keeps_hue is None and is_toned(view, known)):
        view = luma(view).expand_as(view)
        keeps_hue = True
    correction = network(view, quantiles_of(view[..., known]))
    curves = _curves(correction)
    if keeps_hue:
        curves = curves.mean(0, keepdim=True)
    low, high = np.quantile(luma(view)[0, 0, known].numpy(), (0.01, 0.99))
    weight = float(np.clip((high - low - FLAT) / (FULL - FLAT), 0, 1))
    return Tone(curves.cpu().numpy(), correction.mixing[0].cpu().numpy(), weight)


def correct(image: Array, tone: Tone, strength: float) -> None:
    """Apply a correction to a writable plane (3, H, W) in place; `strength` 0 to 1."""
    _, h, w = image.shape
    strength *= tone.weight
    if strength == 0:
        return
    full_scale = np.iinfo(image.dtype).max
    lift = _lift_luma if len(tone.curves) == 1 else _lift_colours
    for strip in strips(h, STRIP_SHARE * w):
        values = image[:, strip].astype(np.float32) / np.float32(full_scale)
        values += np.float32(strength) * (lift(values, tone) - values)
        image[:, strip] = np.rint(values * full_scale)


def is_toned(view: Tensor, known: Tensor) -> bool:
    """Return whether all colours of a view (1, 3, H, W) have one hue, as far as luma explains them."""
    values = view[0][:, known]
    brightness = luma(view)[0, 0, known]
    bins = (brightness * 15.99).long()
    chroma = values - brightness
    count = torch.bincount(bins, minlength=16).clamp_min(1)
    usual = torch.stack([torch.bincount(bins, part, minlength=16) / count for part in chroma])
    apart = (chroma - usual[:, bins]).abs().amax(0)
    return float(apart.quantile(0.95)) <= ONE_HUE


def _lift_colours(values: Floats, tone: Tone) -> Floats:
    index = _index(values)
    curved = np.stack([curve[part] for curve, part in zip(tone.curves, index, strict=True)])
    return _bent(np.tensordot(tone.mixing, curved, 1))


def _lift_luma(values: Floats, tone: Tone) -> Floats:
    """Return the new luma with the old chroma; less of it near black and white."""
    before = np.tensordot(np.array(LUMA, np.float32), values, 1)
    lifted = tone.curves[0][_index(before)]
    room = (lifted * (1 - lifted)) / np.maximum(before * (1 - before), 1e-3)
    return _bent(lifted + (values - before) * room.clip(LEAST_TINT, 1))


def _index(values: Floats) -> npt.NDArray[np.intp]:
    return np.rint(values * (TABLE - 1)).astype(np.intp).clip(0, TABLE - 1)


def _bent(values: Floats) -> Floats:
    """Bend values into [0, 1]: within `KNEE` of either end they approach it."""
    over = np.maximum(values - (1 - KNEE), 0)
    under = np.maximum(KNEE - values, 0)
    bent: Floats = values - over + under + KNEE * (np.exp(-under / KNEE) - np.exp(-over / KNEE))
    return bent


def _curves(correction: Correction) -> Tensor:
    """Return the first picture's curves, (3, TABLE), straight beyond the black and white points."""
    ramp = torch.linspace(0, 1, TABLE, device=correction.low.device)
    inside = apply_curves(ramp.expand(1, 3, 1, -1), correction)[0, :, 0]
    low, high = correction.low[0, :, None], correction.high[0, :, None]
    reach = (high - low) / 16
    ends = torch.cat([low, low + reach, high - reach, high], 1)[None, :, None]
    black, dark, bright, white = apply_curves(ends, correction)[0, :, 0].split(1, 1)
    below = (dark - black) / reach * (ramp - low).clamp_max(0)
    above = (white - bright) / reach * (ramp - high).clamp_min(0)
    return inside + below + above


def _small_view(image: Array, alpha: Array | None) -> tuple[Tensor, Tensor]:
    """Return a view (1, 3, VIEW_PX, VIEW_PX) in [0, 1], and which of its pixels are known; others have the mean."""
    size = (VIEW_PX, VIEW_PX)
    view = torch.from_numpy(views.view_of(image, views.VIEW_PX))[None].float() / 255
    shown = (
        np.ones((1, *view.shape[2:]), bool)
        if alpha is None
        else is_opaque(views.reduced(alpha, views.VIEW_PX))
    )
    weight = torch.from_numpy(np.ascontiguousarray(shown))[None].float()
    if not shown.any():
        weight = torch.ones_like(weight)
    share = F.adaptive_avg_pool2d(weight, size)
    mean = (view * weight).sum((2, 3), keepdim=True) / weight.sum()
    seen = F.adaptive_avg_pool2d(view * weight, size) / share.clamp_min(1e-6)
    return torch.where(share > 0, seen, mean), share[0, 0] > 0
