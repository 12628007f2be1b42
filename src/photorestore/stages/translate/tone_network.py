"""Predict from one small view of a faded picture how to lift its tone and colours: ToneNetwork.

It does not make pixels, but a correction that is bounded by construction: black and white points between the
picture's own extremes and the ends of the scale, a bent curve for each channel, and a mixing of the channels that
keeps greys. The correction is the same everywhere in the picture: a map of gains for uneven fading gained only .03 dB.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.descriptor import Descriptor, Port
from photorestore.pixels.luma import LUMA

VIEW_PX = 64
"""Sides of the view, whatever the picture's shape."""

LEVELS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.995, 0.999)
"""Quantiles that the network is told, of each channel and of luma."""

SEGMENTS = 16
MOST_LOST = 0.78
"""At most this share of the scale lies outside the black and white points."""
MOST_EXPONENT, MOST_BENT, MOST_MIXED = 0.7, 1.0, 0.3


@dataclass(frozen=True, slots=True)
class Correction:
    """What is to be done with a batch of pictures.

    Attributes:
        low, high: (N, 3) black and white points.
        exponent: (N, 3) of the values between them.
        knots: (N, 3, SEGMENTS + 1) what becomes of evenly spaced values after that.
        mixing: (N, 3, 3) rows of sum 1.
    """

    low: Tensor
    high: Tensor
    exponent: Tensor
    knots: Tensor
    mixing: Tensor


class ToneNetwork(nn.Module):
    """Predicts a `Correction` from a view and its quantiles. Untrained it stretches half of what is lost.

    Args:
        widths: channels at stride 2, 4 and 8.
        hidden: of the layers that see everything.
    """

    descriptor = Descriptor(
        "ToneNetwork",
        (
            Port("view", f"N 3 {VIEW_PX} {VIEW_PX}", 0, 1),
            Port("quantiles", f"N 4 {len(LEVELS)}", 0, 1),
        ),
        Port("correction", kind=Correction),
        in_bfloat16=False,
    )

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64), hidden: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((3, *widths[:-1]), widths, strict=True):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.ReLU()]
        self.look = nn.Sequential(*layers, nn.Conv2d(widths[-1], widths[-1], 3, padding=1), nn.ReLU())
        self.think = nn.Sequential(
            nn.Linear(widths[-1] + 4 * len(LEVELS), hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.curves = nn.Linear(hidden, 3 * (5 + SEGMENTS) + 6)
        nn.init.zeros_(self.curves.weight)
        nn.init.zeros_(self.curves.bias)

    def forward(self, view: Tensor, quantiles: Tensor) -> Correction:
        """Predict the correction.

        Args:
            view: (N, 3, VIEW_PX, VIEW_PX) in [0, 1].
            quantiles: (N, 4, len(LEVELS)), from `quantiles_of`.
        """
        by_channel, mixed = self.numbers_of(view, quantiles).split((3 * (5 + SEGMENTS), 6), 1)
        ends, bends = by_channel.unflatten(1, (3, -1)).split((5, SEGMENTS), 2)
        low, high = _points(ends, quantiles)
        return Correction(
            low, high,
            (MOST_EXPONENT * ends[..., 2].tanh()).exp(),
            _knots(ends[..., 3:], bends),
            _mixing(MOST_MIXED * mixed.tanh()),
        )  # fmt: skip

    def numbers_of(self, view: Tensor, quantiles: Tensor) -> Tensor:
        """Return what a correction is made from, (N, 3 * (5 + SEGMENTS) + 6): all 0 in an untrained network."""
        features = self.look(view - 0.5)  # (N, C, 8, 8)
        known = self.think(torch.cat([features.mean((2, 3)), quantiles.flatten(1) - 0.5], 1))
        numbers: Tensor = self.curves(known).float()
        return numbers

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        return self.numbers_of(image, quantiles_of(image))


def quantiles_of(view: Tensor) -> Tensor:
    """Return (N, 4, len(LEVELS)): quantiles of each channel and of luma of a view (N, 3, ...)."""
    values = view.flatten(2)
    luma = (values * torch.tensor(LUMA, device=view.device).view(3, 1)).sum(1, keepdim=True)
    ordered = torch.cat([values, luma], 1).sort(-1).values
    at = [round(level * (ordered.shape[-1] - 1)) for level in LEVELS]
    return ordered[..., at]


def apply(image: Tensor, correction: Correction) -> Tensor:
    """Return the corrected picture, (N, 3, H, W), not clamped."""
    return torch.einsum("nij,njhw->nihw", correction.mixing, apply_curves(image, correction))


def apply_curves(image: Tensor, correction: Correction) -> Tensor:
    """Apply only the channels' curves; values beyond the black and white points are clipped."""
    low, high, exponent = (
        part[..., None, None] for part in (correction.low, correction.high, correction.exponent)
    )
    share = ((image - low) / (high - low)).clamp(1e-4, 1) ** exponent
    at = share.flatten(2) * SEGMENTS
    index = at.detach().floor().long().clamp(0, SEGMENTS - 1)
    before, after = (correction.knots.gather(2, index + step) for step in (0, 1))
    return torch.lerp(before, after, at - index).view_as(image)


def _points(ends: Tensor, quantiles: Tensor) -> tuple[Tensor, Tensor]:
    below = quantiles[:, :3, 0] * ends[..., 0].sigmoid()
    above = (1 - quantiles[:, :3, -1]) * ends[..., 1].sigmoid()
    share = (MOST_LOST / (below + above).clamp_min(1e-6)).clamp_max(1)
    return below * share, 1 - above * share


def _knots(ends: Tensor, bends: Tensor) -> Tensor:
    """Return rising knots, from at most .12 to at least .88."""
    black, below_white = (0.12 * (ends - 4).sigmoid()).unbind(-1)
    steps = (MOST_BENT * bends.tanh()).softmax(-1)
    rising = F.pad(steps.cumsum(-1), (1, 0))
    return black[..., None] + (1 - below_white - black)[..., None] * rising


def _mixing(off_diagonal: Tensor) -> Tensor:
    """Return (N, 3, 3) from six numbers a picture, what each channel takes from the others; rows sum to 1."""
    zero = torch.zeros_like(off_diagonal[:, 0])
    a, b, c, d, e, f = off_diagonal.unbind(1)
    taken = torch.stack([zero, a, b, c, zero, d, e, f, zero], 1).view(-1, 3, 3)
    return taken + torch.diag_embed(1 - taken.sum(2))
