"""Losses between a network's answer and its target; with noisy targets they decide what is learned.

Lehtinen et al., *Noise2Noise: Learning Image Restoration without Clean Data* (ICML 2018): the squared error leads to
the mean of all targets that the same input may have, the absolute error to their median, an annealed L0 to their mode.
So noisy targets serve as well as clean ones where mean, median or mode of the noise is zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor, nn
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor, float], Tensor]
"""(pred, target, progress): progress goes from 0 to 1 in a run; gives a scalar."""

SMALL = 1e-8
FAINT = 2e-5
"""Squared error of about one grey level of 255."""


def l2(pred: Tensor, target: Tensor, progress: float) -> Tensor:  # noqa: ARG001
    """Return the root of the mean squared error: its gradient has the squared error's direction, and does not fade."""
    return (F.mse_loss(pred, target) + SMALL).sqrt()


def psnr(pred: Tensor, target: Tensor, progress: float, *, faint: float = FAINT) -> Tensor:  # noqa: ARG001
    """Return the samples' mean logarithm of the root mean squared error: their PSNR but for a factor.

    A weakly noisy sample counts as much as a strongly noisy one, whose error is many times larger (Chen et al.,
    *HINet*, CVPRW 2021). `faint` bounds what a nearly clean sample can ask for.
    """
    mse = (pred - target).square().flatten(1).mean(1)
    return 0.5 * (mse + faint).log().mean()


def l1(pred: Tensor, target: Tensor, progress: float) -> Tensor:  # noqa: ARG001
    """Return the mean absolute error."""
    return F.l1_loss(pred, target)


def l0(pred: Tensor, target: Tensor, progress: float) -> Tensor:
    """Return the mean of `|error|^gamma`, where gamma falls from 2 to 0 as the run goes on."""
    gamma = 2 * (1 - progress)
    errors: Tensor = ((pred - target).abs() + SMALL) ** gamma
    return errors.mean()


LOSSES: dict[str, Loss] = {"l0": l0, "l1": l1, "l2": l2, "psnr": psnr}


class Penalty(Protocol):
    """What a loss has in addition, from what happens inside a network."""

    def watch(self, network: nn.Module) -> None:
        """Look, from now on, at each step of the network."""

    def value(self) -> Tensor:
        """Return, (), what the last step costs in addition."""
