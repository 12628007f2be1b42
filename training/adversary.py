"""Adversaries beside the network that is trained, and what they get to see.

After Bora, Price and Dimakis, *AmbientGAN: Generative models from lossy measurements* (ICLR 2018): where a degradation
is known and can be differentiated, an adversary may judge degraded results against degraded pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

import torch
from torch import Tensor, nn

from training.place import Network, Place

KINDS = NONE, PLAIN, DEGRADED = ("none", "plain", "degraded")
"""What an adversary of pictures sees: there is none; pictures as they are; pictures degraded anew."""


class Opponent(Generic[Network]):
    """An adversary and its optimiser.

    Args:
        network: the adversary, on its device.
        learning_rate: the same throughout.
    """

    def __init__(self, network: Network, learning_rate: float) -> None:
        self.network = network
        self.optimiser = torch.optim.AdamW(
            network.parameters(), learning_rate, betas=(0.5, 0.9), weight_decay=0.0
        )

    def learn(self, loss: Tensor) -> None:
        """Update the adversary once."""
        self.optimiser.zero_grad(set_to_none=True)  # the other network's loss has left gradients here
        loss.backward()
        self.optimiser.step()


class PatchAdversary(nn.Sequential):
    """Tells patches of real pictures (1) from those of made ones (0); least squares."""

    def __init__(self, width: int = 48) -> None:
        super().__init__(
            nn.Conv2d(3, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 1, 3, padding=1),
        )


def adversary_loss(adversary: nn.Module, pred: Tensor, gt: Tensor) -> Tensor:
    """Return what the adversary pays: real pictures are to score 1, made ones 0."""
    return (adversary(gt) - 1).square().mean() + adversary(pred.detach()).square().mean()


def fooling_loss(adversary: nn.Module, pred: Tensor) -> Tensor:
    """Return what the network pays for pictures that do not look real: made ones to 1."""
    return (adversary(pred) - 1).square().mean()


class PictureOpponent(Opponent[PatchAdversary]):
    """An adversary that judges a network's results against photographs, and what the network pays for its verdict.

    Args:
        network, learning_rate: as in `Opponent`.
        weight: of what the network pays.
        shown: returns what the adversary sees of pictures (N, 3, H, W), by a new draw at each call.
    """

    def __init__(
        self,
        network: PatchAdversary,
        learning_rate: float,
        weight: float,
        shown: Callable[[Tensor], Tensor] = torch.Tensor.float,
    ) -> None:
        super().__init__(network, learning_rate)
        self.weight, self.shown = weight, shown

    def cost(self, pred: Tensor) -> Tensor:
        """Return what the network pays for its results (N, 3, H, W)."""
        return self.weight * fooling_loss(self.network, self.shown(pred))

    def verdict(self, pred: Tensor, gt: Tensor) -> Tensor:
        """Return what the adversary pays for results and photographs (N, 3, H, W)."""
        return adversary_loss(self.network, self.shown(pred.detach()), self.shown(gt))


def picture_opponent(
    kind: str, weight: float, place: Place, degrade: Callable[[Tensor], Tensor]
) -> PictureOpponent | None:
    """Return a new adversary of pictures, or None where there is to be none.

    Args:
        kind: one of `KINDS`.
        weight: of what the network pays.
        degrade: degrades pictures (N, 3, H, W) by a new draw, so that gradients reach them.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"adversary is {kind!r}; there are {', '.join(KINDS)}")
    if kind == NONE:
        return None
    network = place.take(PatchAdversary())
    return PictureOpponent(network, 1e-4, weight, degrade if kind == DEGRADED else torch.Tensor.float)
