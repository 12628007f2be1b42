"""Pairs of small and large patches for super-resolution, kept and cut on the device of the network.

All photographs lie in one array of 8-bit pixels per scale on the training device, and a batch is one gather from it:
a GPU waits for no worker. The small pictures are made of whole photographs, as in the benchmarks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.degradations.resize import shrink


@dataclass(frozen=True, slots=True)
class Pixels:
    """Pixels of many pictures in one array, one picture after the other, row by row.

    Attributes:
        values: (all pixels, 3), uint8.
        offsets, widths: (pictures,), where each begins and how wide it is.
    """

    values: Tensor
    offsets: Tensor
    widths: Tensor

    @classmethod
    def of(cls, pictures: Sequence[Tensor], device: str) -> Pixels:
        """Join uint8 pictures (3, H, W)."""
        values = torch.cat([picture.permute(1, 2, 0).reshape(-1, 3) for picture in pictures])
        areas = torch.tensor([picture[0].numel() for picture in pictures])
        widths = torch.tensor([picture.shape[-1] for picture in pictures])
        return cls(values.to(device), (areas.cumsum(0) - areas).to(device), widths.to(device))

    def cut(self, index: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Gather patches: float (N, 3, h, w) in [0, 1], channels-last.

        Args:
            index: (N,) pictures.
            rows, columns: (N, h, w) places in them.
        """
        places = self.offsets[index].view(-1, 1, 1) + rows * self.widths[index].view(-1, 1, 1) + columns
        return self.values[places].permute(0, 3, 1, 2).float() / 255


class PatchBank:
    """Photographs and their small versions.

    Args:
        photos: uint8 (3, H, W); cut to multiples of the largest scale.
        scales: of the pairs.
        device: where they are kept and cut.
    """

    def __init__(self, photos: Sequence[Tensor], scales: Sequence[int], device: str) -> None:
        most, whole = max(scales), []
        for photo in photos:
            h, w = (side // most * most for side in photo.shape[-2:])
            whole.append(photo[:, :h, :w])
        self.device = device
        self.large = Pixels.of(whole, device)
        self.small = {
            scale: Pixels.of([_shrink(photo, scale, device) for photo in whole], device) for scale in scales
        }
        sizes = torch.tensor([photo.shape[-2:] for photo in whole], device=device)
        self.sizes = sizes  # (photographs, 2)
        self.chances = sizes.prod(1).double()  # a large photograph has more to show

    def draw(self, scale: int, patch_px: int, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw randomly placed, flipped and turned pairs.

        Args:
            patch_px: side of the small patches.
            rng: on the bank's device.

        Returns:
            lr (N, 3, patch_px, patch_px), hr (N, 3, scale * patch_px, scale * patch_px), in [0, 1].
        """
        index = torch.multinomial(self.chances, count, replacement=True, generator=rng)
        room = self.sizes[index] // scale - patch_px + 1  # (N, 2)
        corners = (torch.rand((count, 2), device=self.device, generator=rng) * room).long()
        turns = torch.randint(0, 2, (3, count, 1, 1), device=self.device, generator=rng).bool()
        lr = self.small[scale].cut(index, *self._places(corners, patch_px, turns))
        hr = self.large.cut(index, *self._places(scale * corners, scale * patch_px, turns))
        return lr, hr

    def _places(self, corners: Tensor, side: int, turns: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and columns (N, side, side) of patches, flipped along either axis and transposed as `turns` says."""
        steps = torch.arange(side, device=self.device)
        y, x = steps.view(1, -1, 1), steps.view(1, 1, -1)
        transposed, upside_down, mirrored = turns
        rows, columns = torch.where(transposed, x, y), torch.where(transposed, y, x)
        rows = torch.where(upside_down, side - 1 - rows, rows)
        columns = torch.where(mirrored, side - 1 - columns, columns)
        return corners[:, :1, None] + rows, corners[:, 1:, None] + columns


def _shrink(photo: Tensor, scale: int, device: str) -> Tensor:
    return (shrink(photo.to(device).float() / 255, scale) * 255).round().byte().cpu()
