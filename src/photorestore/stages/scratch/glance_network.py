"""Stop a detector half-way where it would find nothing that counts: Cored, Glance, and Glanced, which has both.

What it decodes in the halo of a tile does not count.
Most photographs have no damage anywhere. What a detector has encoded tells a small network in which cells it might find
some; only these are decoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.box import Box
from photorestore.networks.descriptor import CORE, Descriptor, Network, Port
from photorestore.pixels import boxes
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


class Cored(nn.Module):
    """A detector that decodes only cells whose result counts. Elsewhere the logit is `NOTHING`."""

    def __init__(self, detector: ScratchUNet) -> None:
        super().__init__()
        self.detector = detector
        told = detector.descriptor
        self.descriptor = replace(told, inputs=(*told.inputs, CORE))

    @property
    def parts(self) -> Mapping[str, Network[Any]]:
        """Return those of the detector."""
        return self.detector.parts

    def forward(self, image: Tensor, *told: Tensor | Box | None) -> Tensor:
        """Look for damage; see `ScratchUNet.forward`.

        Args:
            told: the map of the scene, where the detector is told it, and the part that counts, see `descriptor.CORE`.
        """
        h, w = image.shape[-2:]
        cores = [each for each in told if isinstance(each, Box)]
        maps = self.detector.encoded(image, *(each for each in told if isinstance(each, Tensor)))
        cell_px = self.descriptor.stride
        decoded = self.cells(maps)
        if cores:
            inside = torch.zeros_like(decoded)
            Box(*(edge // cell_px for edge in cores[0])).of(inside).fill_(True)
            decoded = decoded & inside
        _, rows, columns = decoded.shape
        logits = image.new_full(
            (len(image), 1, cell_px * rows, cell_px * columns), NOTHING, dtype=torch.float32
        )
        for sample, cells in enumerate(decoded.cpu().numpy()):
            for box in boxes.boxes_of(cells, HALO_PX // cell_px):
                own = [each[sample : sample + 1] for each in maps]
                self._decode(own, box, decoded[sample : sample + 1], logits[sample])
        return logits[..., :h, :w]

    def cells(self, maps: Sequence[Tensor]) -> Tensor:
        """Return which cells are decoded by what has been encoded, (N, h, w): all of them."""
        return torch.ones_like(maps[-1][:, 0], dtype=torch.bool)

    def _decode(self, maps: list[Tensor], box: boxes.Box, shown: Tensor, logits: Tensor) -> None:
        """Write the logits of a box of one picture where cells are to be decoded.

        Args:
            maps: of one picture.
            shown: (1, h, w), by cells.
            logits: (1, H, W).
        """
        cell_px = self.descriptor.stride
        read = boxes.with_halo(box, HALO_PX // cell_px, shown.shape[1:])
        parts = []
        for level, each in enumerate(maps):
            rows, columns = _slices(read, 2 ** (len(maps) - 1 - level))
            parts.append(each[..., rows, columns])
        rows, columns = _slices(box, cell_px)
        top, left = cell_px * (box[0] - read[0]), cell_px * (box[2] - read[2])
        found = self.detector.decoded(parts)[0, :, top:, left:]
        inside = shown[:, box[0] : box[1], box[2] : box[3]]
        inside = inside.repeat_interleave(cell_px, 1).repeat_interleave(cell_px, 2)
        target = logits[:, rows, columns]
        target[inside] = found[:, : target.shape[1], : target.shape[2]][inside]


class Glanced(Cored):
    """A detector that decodes only cells in which its glance sees something, and what is next to them.

    Whether a cell is decoded depends on what is around it, not on its tile.
    """

    def __init__(self, detector: ScratchUNet, glance: Glance) -> None:
        super().__init__(detector)
        self.glance = glance

    def cells(self, maps: Sequence[Tensor]) -> Tensor:
        """See `Cored.cells`."""
        return F.max_pool2d((self.glance(*maps) > 0).float(), 3, 1, 1)[:, 0] > 0


def _slices(box: boxes.Box, factor: int) -> tuple[slice, slice]:
    """Return rows and columns of a box where a cell has `factor` of both."""
    top, bottom, left, right = (factor * edge for edge in box)
    return slice(top, bottom), slice(left, right)
