"""Stop a detector half-way where it would find nothing that counts: Glance, and Glanced, a detector that has one.

Most photographs have no damage anywhere. What a detector has encoded tells a small network in which cells it might find
some; only these are decoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.descriptor import Descriptor, Network, Port
from photorestore.pixels.boxes import Box, boxes_of, with_halo
from photorestore.stages.scratch.network import ScratchUNet

HIDDEN = 64
HALO_PX = 32
"""What the decoder sees around a pixel: 30 px, the tail's 2 and two convolutions at stride 2, 4 and 8."""
NOTHING = -30.0
"""Logit where nothing is decoded."""


class Glance(nn.Module):
    """What a detector has encoded in, logits out: of each cell, whether it would find anything there that counts.

    A cell is a square of the detector's stride; what stands out most in it at each level counts.

    Args:
        widths: of the detector.

    Attributes:
        tail: weights of the last layer of the detector that it was trained with.
    """

    tail: Tensor

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.widths = widths
        ports = (Port(f"level_{n}", f"N {width} h{n} w{n}") for n, width in enumerate(widths))
        self.descriptor = Descriptor("Glance", tuple(ports), Port("glance_logits", "N 1 v u"))
        self.register_buffer("tail", torch.zeros(4, widths[0], 3, 3))
        self.layers = nn.Sequential(
            nn.BatchNorm2d(sum(widths)),
            nn.Conv2d(sum(widths), HIDDEN, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(HIDDEN, HIDDEN, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(HIDDEN, 1, 1),
        )

    def forward(self, *maps: Tensor) -> Tensor:
        """Return glance_logits (N, 1, h, w), float32, of the maps that `ScratchUNet.encoded` gives."""
        return self.judge(gathered(maps))

    def fits(self, detector: ScratchUNet) -> bool:
        """Return whether this is the detector that it was trained with: what another one encodes tells it nothing."""
        return torch.equal(self.tail, detector.tail.weight)

    def judge(self, features: Tensor) -> Tensor:
        """Return glance_logits of what `gathered` gives."""
        glance_logits: Tensor = self.layers(features)
        return glance_logits.float()

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        return self.judge(image.flatten(1).repeat(1, 2)[:, : sum(self.widths), None, None])


def gathered(maps: Sequence[Tensor]) -> Tensor:
    """Return the greatest values in each cell at each level, (N, C, h, w)."""
    last = len(maps) - 1
    pooled = [F.max_pool2d(each, 2 ** (last - level)) for level, each in enumerate(maps)]
    return torch.cat([each.to(maps[-1].dtype) for each in pooled], 1)


class Glanced(nn.Module):
    """A detector that decodes only cells in which its glance sees something, and what is next to them.

    Elsewhere the logit is `NOTHING`. Whether a cell is decoded depends on what is around it, not on its tile.
    """

    def __init__(self, detector: ScratchUNet, glance: Glance) -> None:
        super().__init__()
        self.detector, self.glance = detector, glance

    @property
    def descriptor(self) -> Descriptor:
        """Return that of the detector."""
        return self.detector.descriptor

    @property
    def parts(self) -> Mapping[str, Network[Any]]:
        """Return those of the detector."""
        return self.detector.parts

    def forward(self, image: Tensor, scene_map: Tensor | None = None) -> Tensor:
        """See `ScratchUNet.forward`."""
        h, w = image.shape[-2:]
        maps = self.detector.encoded(image, scene_map)
        seen = F.max_pool2d((self.glance(*maps) > 0).float(), 3, 1, 1) > 0
        cell_px = self.descriptor.stride
        _, _, rows, columns = seen.shape
        logits = image.new_full(
            (len(image), 1, cell_px * rows, cell_px * columns), NOTHING, dtype=torch.float32
        )
        for sample, cells in enumerate(seen[:, 0].cpu().numpy()):
            for box in boxes_of(cells, HALO_PX // cell_px):
                self._decode([each[sample : sample + 1] for each in maps], box, seen[sample], logits[sample])
        return logits[..., :h, :w]

    def _decode(self, maps: list[Tensor], box: Box, seen: Tensor, logits: Tensor) -> None:
        """Write the logits of a box of one picture where something was seen.

        Args:
            maps: of one picture.
            seen: (1, h, w), by cells.
            logits: (1, H, W).
        """
        cell_px = self.descriptor.stride
        read = with_halo(box, HALO_PX // cell_px, seen.shape[1:])
        parts = []
        for level, each in enumerate(maps):
            rows, columns = _slices(read, 2 ** (len(maps) - 1 - level))
            parts.append(each[..., rows, columns].contiguous(memory_format=torch.channels_last))
        rows, columns = _slices(box, cell_px)
        top, left = cell_px * (box[0] - read[0]), cell_px * (box[2] - read[2])
        found = self.detector.decoded(parts)[0, :, top:, left:]
        shown = seen[:, box[0] : box[1], box[2] : box[3]]
        shown = shown.repeat_interleave(cell_px, 1).repeat_interleave(cell_px, 2)
        target = logits[:, rows, columns]
        target[shown] = found[:, : target.shape[1], : target.shape[2]][shown]


def _slices(box: Box, factor: int) -> tuple[slice, slice]:
    """Return rows and columns of a box where a cell has `factor` of both."""
    top, bottom, left, right = (factor * edge for edge in box)
    return slice(top, bottom), slice(left, right)
