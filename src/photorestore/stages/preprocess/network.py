"""Judge what kind of picture this is, and what is wrong with it: JudgeNet.

It looks twice: at a view of the whole picture, where borders, tone and large damage show, and at a few crops in native
resolution, where grain, dots, strokes and fine cracks do. Each has a trunk of its own. Both begin by folding squares of
4x4 px into channels, which a CPU computes fastest and which loses nothing. Their features are pooled, by mean for what
is everywhere and by maximum for what is anywhere, and judged together.

The detector of damage knows damage better: how much it finds in the view is weighed with what JudgeNet says.

Batch normalisation makes it learn faster; when used, its statistics are constants.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.descriptor import Descriptor, Part, Port

KINDS = ("photograph", "print", "line_art", "halftone", "screenshot")
FLAGS = ("damaged", "noisy", "faded", "toned")
FOUND_FROM = (0.25, 0.5, 0.8, 0.9, 0.95, 0.98)
"""Probabilities of the detector; how much of a view reaches each tells damage from texture."""
LEAST_SHARE = 1e-4
FOLD = 4
FINE_GAIN = 6.0
"""Factor of the channel of detail finer than 5 px: noise is small against edges."""


class JudgeNet(nn.Module):
    """A view and crops in, logits out.

    Args:
        widths: channels of each trunk at stride 4, 8 and 16.
        hidden: width of the layer between the pooled features and the logits.
    """

    descriptor = Descriptor(
        "JudgeNet",
        (Port("view", "N 3 V V", 0, 1), Port("crops", "N K 3 C C", 0, 1)),
        Port("logits", f"N {len(KINDS) + len(FLAGS)}"),
    )

    def __init__(self, widths: tuple[int, int, int] = (48, 80, 112), hidden: int = 96) -> None:
        super().__init__()
        self.view_trunk, self.crop_trunk = _trunk(widths), _trunk(widths)
        self.head = nn.Sequential(
            nn.Linear(4 * widths[-1], hidden), nn.ReLU(), nn.Linear(hidden, len(KINDS) + len(FLAGS))
        )
        self.evidence = nn.Linear(1 + len(FOUND_FROM), 1)
        with torch.no_grad():  # until it is fitted the judgement stands as it is
            self.evidence.weight.copy_(torch.eye(1, 1 + len(FOUND_FROM)))
            self.evidence.bias.zero_()

    def forward(self, view: Tensor, crops: Tensor) -> Tensor:
        """Return logits (N, KINDS + FLAGS): of the kinds together, and of each flag by itself.

        Args:
            view: the whole picture, (N, 3, V, V) in [0, 1]; V is a multiple of 16.
            crops: parts of it in native resolution, (N, K, 3, C, C) in [0, 1]; C is a multiple of 16.
        """
        n, k = crops.shape[:2]
        seen = self.view_trunk(describe(view))
        parts = self.crop_trunk(describe(crops.flatten(0, 1)))
        parts = parts.unflatten(0, (n, k)).transpose(1, 2).flatten(3)  # (N, D, K, P)
        pooled = [seen.mean((2, 3)), seen.amax((2, 3)), parts.mean((2, 3)), parts.amax((2, 3))]
        logits: Tensor = self.head(torch.cat(pooled, 1))
        return logits

    @property
    def parts(self) -> Mapping[str, Part[Tensor]]:
        """Return `weigh`."""
        logits = self.descriptor.output
        inputs = (logits, Port("scratch_prob", "N 1 V V", 0, 1))
        return {"weigh": Part(Descriptor("weigh", inputs, logits), self.weigh)}

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        logits: Tensor = self(image, image[:, None])
        return logits

    def weigh(self, logits: Tensor, scratch_prob: Tensor) -> Tensor:
        """Return logits (N, KINDS + FLAGS), that of damage weighed with what the detector finds in the view.

        Args:
            logits: from `forward`.
            scratch_prob: what `ScratchUNet` says of the view, (N, 1, V, V) in [0, 1].
        """
        place = len(KINDS) + FLAGS.index("damaged")
        told = torch.cat([logits[:, place : place + 1], found_shares(scratch_prob)], 1)
        return torch.cat([logits[:, :place], self.evidence(told.float()), logits[:, place + 1 :]], 1)


def found_shares(scratch_prob: Tensor) -> Tensor:
    """Return how much of a view reaches each of `FOUND_FROM`: (N, FOUND_FROM), decadic logarithms of shares."""
    shares = [(scratch_prob >= limit).float().mean((1, 2, 3)) for limit in FOUND_FROM]
    return (torch.stack(shares, 1) + LEAST_SHARE).log10()


def describe(image: Tensor) -> Tensor:
    """Return pictures beside their fine detail, folded: (N, 4 * FOLD**2, H / FOLD, W / FOLD)."""
    luma = image.mean(1, keepdim=True)
    fine = luma - F.avg_pool2d(luma, 5, 1, 2, count_include_pad=False)
    return F.pixel_unshuffle(torch.cat([2 * (image - 0.5), FINE_GAIN * fine], 1), FOLD)


def _trunk(widths: tuple[int, int, int]) -> nn.Sequential:
    first, second, third = widths
    return nn.Sequential(
        *_layer(4 * FOLD**2, first, 1),
        *_layer(first, second, 2),
        *_layer(second, second, 1),
        *_layer(second, third, 2),
        *_layer(third, third, 1),
    )


def _layer(channels_in: int, channels: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
    return [convolution, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
