"""Learning rate, budget of steps or time, and moving average of the weights of a run."""

from __future__ import annotations

import math
import time

import torch
from torch import nn


def cosine(progress: float, step: int, *, top: float, bottom: float, warm_up: int = 100) -> float:
    """Return the learning rate: warm-up over the first steps, then half a cosine down to `bottom` at progress 1."""
    decayed = bottom + (top - bottom) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return decayed * min(1.0, (step + 1) / warm_up)


class Budget:
    """Progress of a run limited by steps or by seconds, whichever ends first.

    With a time budget the schedule follows the clock, so that it always ends at its bottom.
    """

    def __init__(self, total_steps: int, minutes: float | None, spent_s: float = 0.0) -> None:
        self.total_steps = total_steps
        self.limit_s = math.inf if minutes is None else 60 * minutes
        self.start = time.monotonic() - spent_s

    @property
    def spent_s(self) -> float:
        """Seconds trained, earlier parts of a resumed run included."""
        return time.monotonic() - self.start

    def progress(self, step: int) -> float:
        """Return how far the run is: 0 at the start, 1 at the end."""
        return max(step / self.total_steps, self.spent_s / self.limit_s)


class MovingAverage:
    """Exponential moving average of a network's weights (decay ramps up over the first steps)."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move the average towards the network's weights."""
        decay = min(self.decay, (step + 1) / (step + 10))
        for name, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                self.values[name].lerp_(value, 1 - decay)
            else:
                self.values[name].copy_(value)
