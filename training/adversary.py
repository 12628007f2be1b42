"""An adversary beside the network that is trained."""

from __future__ import annotations

from typing import Generic

import torch
from torch import Tensor

from training.place import Network


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
