"""Statistics of batch normalisation: frozen at the end of a run, and bounded so that 16 bits hold them."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

LARGEST_VARIANCE = 1000.0


def freeze_statistics(network: nn.Module) -> None:
    """Normalise by the running statistics from here on: weights are then trained with those that are used later."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


@torch.no_grad()
def bound_statistics(network: nn.Module) -> None:
    """Scale kernels down where variances are large, so that these stay far below the 65,504 that 16 bits hold."""
    for stage in network.modules():
        if not isinstance(stage, nn.Sequential):
            continue
        for convolution, norm in pairwise(stage):
            if isinstance(norm, nn.BatchNorm2d) and isinstance(convolution, nn.Conv2d):
                _bound(convolution, norm)


def _bound(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var / LARGEST_VARIANCE).clamp_min(1).sqrt()
    convolution.weight /= scale.view(-1, 1, 1, 1)
    if convolution.bias is not None:
        convolution.bias /= scale
    norm.running_mean /= scale
    norm.running_var /= scale.square()
