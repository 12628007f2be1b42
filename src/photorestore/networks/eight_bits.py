"""Compute a network's blocks in 8 bits, on processors that multiply in them (VNNI).

A 3x3 convolution in 8 bits takes half the time of one in bfloat16. Blocks are two such convolutions with an activation
between them. What comes out of blocks, and the rest of the network, stays in 16 or 32 bits. Weights have a scale for
each output channel. Activations have one scale for each convolution, found by `training.find_ranges` on training
pictures and kept in the metadata of the weights, see `engines`: what a pixel becomes depends neither on the rest of its
tile nor on the batch. Sums are whole numbers, so that they do not depend on the number of threads either.

The convolutions are oneDNN's, as torch brings it along: nothing is installed, exported or compiled for this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

MIDDLE = 128
"""The value of 0 where numbers have a sign: oneDNN takes unsigned ones."""
CHUNK_VALUES = 1 << 19
"""Values that are rounded at a time, so that they are found in the processor's cache."""
SAME_SIZE = ([1, 1], [1, 1], [1, 1], 1)
"""Stride, padding, dilation and groups of the convolutions."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """The greatest absolute values that the convolutions of a block are given; what is beyond is cut off.

    Attributes:
        before: of the first.
        between: of the second.
        has_sign: whether what the first is given may be below 0.
    """

    before: float
    between: float
    has_sign: bool = True


class Convolution:
    """A 3x3 convolution of 8-bit numbers.

    Args:
        weight, bias: in float32.
        most: the greatest absolute value of the input.
        has_sign: whether the input may be below 0.

    Attributes:
        scale: by which a number is multiplied to give the value that it stands for.
        zero: the number that stands for 0.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, most: float, *, has_sign: bool) -> None:
        self.zero = MIDDLE if has_sign else 0
        self.scale = max(most, 1e-6) / (127 if has_sign else 255)
        self.bias = bias
        self.weight_scales = (weight.abs().amax((1, 2, 3)) / 127).clamp_min(1e-12)
        self.weight_zeros = torch.zeros(len(weight), dtype=torch.int64)
        numbers = (weight / self.weight_scales.view(-1, 1, 1, 1)).round().to(torch.int8)
        self.packed: Tensor = torch.ops.onednn.qconv_prepack(
            numbers, self.weight_scales, self.scale, self.zero, *SAME_SIZE, None
        )

    def rounded(self, values: Tensor) -> Tensor:
        """Return an input (N, C, H, W) as 8-bit numbers, channels last."""
        numbers = torch.empty_like(values, dtype=torch.int8, memory_format=torch.channels_last)
        _, channels, _, width = values.shape
        rows = max(1, CHUNK_VALUES // (channels * width))
        for source, target in zip(values.split(1), numbers.split(1), strict=True):
            for part, into in zip(source.split(rows, 2), target.split(rows, 2), strict=True):
                found = part.float().mul_(1 / self.scale).round_()
                found = found if self.zero == MIDDLE else found.sub_(MIDDLE)
                into.copy_(found.clamp_(-MIDDLE, MIDDLE - 1))
        return numbers.view(torch.uint8).bitwise_xor_(MIDDLE)  # adds `MIDDLE` to what has a sign

    def rectified(self, numbers: Tensor, dtype: torch.dtype, scale: float = 1.0) -> Tensor:
        """Return the result without what is below 0: values, or 8-bit numbers of a scale."""
        result: Tensor = torch.ops.onednn.qconv2d_pointwise(
            *self._operands(numbers), self.bias, *SAME_SIZE, scale, 0, dtype, "relu", [], ""
        )
        return result

    def add_to(self, sums: Tensor, numbers: Tensor) -> Tensor:
        """Add the result to `sums`, which are changed, and return a copy of them."""
        result: Tensor = torch.ops.onednn.qconv2d_pointwise.binary(
            *self._operands(numbers), sums, self.bias, *SAME_SIZE, 1.0, 0, sums.dtype,
            1.0, 0, "sum", 1.0, "none", [], "",
        )  # fmt: skip
        return result

    def _operands(self, numbers: Tensor) -> tuple[Any, ...]:
        return (numbers, self.scale, self.zero, self.packed, self.weight_scales, self.weight_zeros)


class SkipBlock(nn.Module):
    """Two convolutions with a ReLU between them, around a skip, which stays in 16 or 32 bits.

    Args:
        plain: has the convolutions `first` and `second`, and may have a `norm` before them.
        ranges: both convolutions are computed in 8 bits.

    Attributes:
        owns_input: whether nobody else needs what the block is given, so that it may be changed.
    """

    def __init__(self, plain: nn.Module, ranges: Ranges) -> None:
        super().__init__()
        self.owns_input = False
        self.norm = getattr(plain, "norm", None) or nn.Identity()
        self._first = Convolution(
            *_parameters(plain.get_submodule("first")), ranges.before, has_sign=ranges.has_sign
        )
        self._second = Convolution(
            *_parameters(plain.get_submodule("second")), ranges.between, has_sign=False
        )

    def forward(self, features: Tensor) -> Tensor:
        numbers = self._first.rounded(self.norm(features))
        inside = self._first.rectified(numbers, torch.uint8, self._second.scale)
        sums = features if self.owns_input else features.clone(memory_format=torch.channels_last)
        return self._second.add_to(sums, inside)


class Pair(nn.Module):
    """Two convolutions, each with batch normalisation and ReLU; the result is in 16 or 32 bits.

    Args:
        plain: the six layers.
        ranges: both convolutions are computed in 8 bits.
    """

    def __init__(self, plain: nn.Sequential, ranges: Ranges) -> None:
        super().__init__()
        self._first = Convolution(*_normed(plain[0], plain[1]), ranges.before, has_sign=ranges.has_sign)
        self._second = Convolution(*_normed(plain[3], plain[4]), ranges.between, has_sign=False)

    def forward(self, features: Tensor) -> Tensor:
        numbers = self._first.rectified(self._first.rounded(features), torch.uint8, self._second.scale)
        return self._second.rectified(numbers, features.dtype)


def _normed(convolution: nn.Module, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a 3x3 convolution with a batch normalisation behind it."""
    weight, bias = _parameters(convolution)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias.detach() - norm.running_mean * gain
    return weight * gain.view(-1, 1, 1, 1), shift if bias is None else shift + bias * gain


def _parameters(convolution: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Return weight and bias of a 3x3 convolution."""
    assert isinstance(convolution, nn.Conv2d)
    assert (convolution.kernel_size, convolution.stride) == ((3, 3), (1, 1))
    return convolution.weight.detach(), None if convolution.bias is None else convolution.bias.detach()


def is_supported() -> bool:
    """Return whether this processor multiplies in 8 bits (VNNI) and torch makes use of it."""
    return torch.backends.mkldnn.is_available() and torch.cpu._is_vnni_supported()  # noqa: SLF001 - no public name
