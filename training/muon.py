"""Muon for a network's kernels, AdamW for everything else.

Jordan et al., *Muon: An optimizer for hidden layers* (2024): the momentum of a matrix is made orthogonal before it is
taken as a step, so that rare directions are learned as fast as common ones. A convolution's kernel is the matrix of
its outputs by its inputs. At the same number of steps a detector's loss falls further than with AdamW alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

FEWEST_OUTPUTS = 16
"""A last layer with fewer belongs to AdamW, as its authors advise."""


class MuonAdamW:
    """An optimiser for `Run`; both halves follow one learning rate, that of AdamW.

    Args:
        network: in channels_last, on its device; what needs no gradient stays as it is.
        learning_rate, betas, weight_decay: as for AdamW.

    Raises:
        RuntimeError: a kernel is not in channels_last, so that steps of its matrix would not reach it.
    """

    def __init__(
        self, network: nn.Module, learning_rate: float, *, betas: tuple[float, float], weight_decay: float
    ) -> None:
        self.parameters = parameters = [p for p in network.parameters() if p.requires_grad]
        self.kernels = [p for p in parameters if p.ndim == 4 and len(p) >= FEWEST_OUTPUTS]
        self.matrices = [nn.Parameter(_channels_last(k.data).view(len(k), -1)) for k in self.kernels]
        taken = {id(kernel) for kernel in self.kernels}
        self.muon = torch.optim.Muon(
            self.matrices, learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
        )
        self.adamw = torch.optim.AdamW(
            [p for p in parameters if id(p) not in taken],
            learning_rate,
            betas=betas,
            weight_decay=weight_decay,
        )

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return list(chain(self.muon.param_groups, self.adamw.param_groups))

    def zero_grad(self, *, set_to_none: bool) -> None:
        """Forget all gradients."""
        for kernel in self.kernels:
            kernel.grad = None
        self.adamw.zero_grad(set_to_none=set_to_none)

    def step(self) -> None:
        """Update all parameters once."""
        for kernel, matrix in zip(self.kernels, self.matrices, strict=True):
            matrix.grad = None if kernel.grad is None else _channels_last(kernel.grad).flatten(1)
        self.muon.step()
        self.adamw.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of both optimisers."""
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the state of both optimisers."""
        self.muon.load_state_dict(state["muon"])
        self.adamw.load_state_dict(state["adamw"])

    def momentum(self) -> list[Tensor]:
        """Return the running mean of each parameter's gradient, in its shape; zeros before the first step."""
        found: dict[Tensor, Tensor] = {p: state["exp_avg"] for p, state in self.adamw.state.items()}
        for kernel, matrix in zip(self.kernels, self.matrices, strict=True):
            if (kept := self.muon.state[matrix].get("momentum_buffer")) is not None:
                found[kernel] = kept.view(_channels_last(kernel).shape).permute(0, 3, 1, 2)
        return [found.get(p, torch.zeros_like(p)).detach().clone() for p in self.parameters]

    def load_momentum(self, values: Iterable[Tensor]) -> None:
        """Take over what `momentum` returned; AdamW's half only after its first step, since it corrects for that."""
        matrices = dict(zip(self.kernels, self.matrices, strict=True))
        for parameter, value in zip(self.parameters, values, strict=True):
            if parameter in matrices:
                matrix = matrices[parameter]
                kept = _channels_last(value.to(matrix)).reshape(matrix.shape)
                self.muon.state[matrix]["momentum_buffer"] = kept.clone()
            elif parameter in self.adamw.state:
                self.adamw.state[parameter]["exp_avg"].copy_(value)


def _channels_last(kernel: Tensor) -> Tensor:
    """View a kernel as (outputs, height, width, inputs)."""
    return kernel.permute(0, 2, 3, 1)
