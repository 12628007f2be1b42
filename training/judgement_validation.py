"""Measure a judgement on pictures whose faults are known, and calibrate its probabilities."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.networks.runner import Runner
from photorestore.stages.preprocess.network import FLAGS, KINDS, JudgeNet
from training.data import Batch
from training.judged.pictures import UNKNOWN

TEMPERATURES = torch.logspace(-0.7, 0.7, 57)


def logits_of(network: Runner[Tensor], batch: Batch, size: int = 32) -> Tensor:
    """Return the logits (N, 9) of a large batch, on the CPU; `size` pictures are looked at together."""
    parts = [
        network(view.float() / 255, crops.float() / 255)
        for view, crops in zip(batch[0].split(size), batch[1].split(size), strict=True)
    ]
    return torch.cat(parts).cpu()


def evaluate(network: Runner[Tensor], batch: Batch, pictures: dict[str, Batch]) -> dict[str, float]:
    """Return the accuracy of the kinds, precision and recall of the flags, and the share of whole pictures known.

    Args:
        batch: made pictures, as `make_sample` gives them.
        pictures: whole ones as they are, by kind.
    """
    _, _, kind, flags = batch
    logits = logits_of(network, batch)
    chosen, known = logits[:, : len(KINDS)].argmax(1), kind >= 0
    scores = {"accuracy": float((chosen == kind)[known].float().mean())}
    for index, name in enumerate(KINDS):
        scores[name] = float((chosen == index)[kind == index].float().mean())
    for index, name in enumerate(FLAGS):
        told, truth = logits[:, len(KINDS) + index] > 0, flags[:, index]
        hits = float((told & (truth == 1)).sum())
        scores[f"{name}_recall"] = hits / max(1.0, float((truth == 1).sum()))
        scores[f"{name}_precision"] = hits / max(1.0, float((told & (truth != UNKNOWN)).sum()))
    for name, whole in pictures.items():
        guesses = logits_of(network, whole)[:, : len(KINDS)].argmax(1)
        scores[f"whole_{name}"] = float((guesses == KINDS.index(name)).float().mean())
    return scores


@torch.no_grad()
def calibrate(network: JudgeNet, logits: Tensor, batch: Batch) -> None:
    """Divide the logits of the kinds, and those of each flag, by what makes their probabilities likeliest.

    Args:
        network: its last layer takes the divisors over.
        logits: those that it gives of `batch`.
        batch: made pictures, as `make_sample` gives them.
    """
    (_, _, kind, flags), last = batch, network.head[-1]
    assert isinstance(last, nn.Linear)
    _divide(last, slice(0, len(KINDS)), lambda scaled: F.cross_entropy(scaled, kind, ignore_index=-1), logits)
    for index in range(len(FLAGS)):
        place, truth = slice(len(KINDS) + index, len(KINDS) + index + 1), flags[:, index : index + 1]
        known = truth != UNKNOWN
        _divide(last, place, partial(_flag_loss, truth=truth, known=known), logits)


def _flag_loss(scaled: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(scaled[known], truth[known])


def _divide(last: nn.Linear, place: slice, loss: Callable[[Tensor], Tensor], logits: Tensor) -> None:
    best = min(TEMPERATURES.tolist(), key=lambda temperature: float(loss(logits[:, place] / temperature)))
    last.weight[place] /= best
    last.bias[place] /= best
