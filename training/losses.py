"""Losses between a network's answer and its target; with noisy targets they decide what is learned.

Lehtinen et al., *Noise2Noise: Learning Image Restoration without Clean Data* (ICML 2018): the squared error leads to
the mean of all targets that the same input may have, the absolute error to their median, an annealed L0 to their mode.
So noisy targets serve as well as clean ones where mean, median or mode of the noise is zero.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor, float], Tensor]
"""(pred, target, progress): progress goes from 0 to 1 in a run; gives a scalar."""

SMALL = 1e-8


def l2(pred: Tensor, target: Tensor, progress: float) -> Tensor:  # noqa: ARG001
    """Root of the mean squared error: the gradient's direction is that of the squared error, and does not fade."""
    return (F.mse_loss(pred, target) + SMALL).sqrt()


def l1(pred: Tensor, target: Tensor, progress: float) -> Tensor:  # noqa: ARG001
    """Mean absolute error."""
    return F.l1_loss(pred, target)


def l0(pred: Tensor, target: Tensor, progress: float) -> Tensor:
    """Mean of `|error|^gamma`, where gamma falls from 2 to 0 as the run goes on."""
    gamma = 2 * (1 - progress)
    errors: Tensor = ((pred - target).abs() + SMALL) ** gamma
    return errors.mean()


LOSSES: dict[str, Loss] = {"l0": l0, "l1": l1, "l2": l2}
