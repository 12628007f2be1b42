"""Latent alignment: each site pulls the statistics of its features to those of all sites together.

Sites whose pictures are damaged in different ways let a network's encoder drift apart. Guo et al. (*Multi-institutional
Collaborations for Improving Deep Learning-based MR Image Reconstruction Using Federated Learning*, CVPR 2021) align it
by an adversary that sees features. Here no feature leaves a site. Before the first round each site shows samples of its
pictures to the network that the federation begins with, and sends the mean and the covariance of what it finds at the
bottleneck: they tell of kind and strength of the damage, and of few pictures they tell more. So they are sent only
where a plan asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from training.data import make_batch
from training.federated.updates import Numbers, problem_of_shapes

BOTTLENECK = "body"
"""The module of a `DenoiseUNet` whose output is looked at."""
SAMPLES = 96
"""That a site measures its statistics from."""
FAINT = 1e-6
"""Added to variances."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Statistics of features: mean (C,), covariance (C, C)."""

    mean: Tensor
    covariance: Tensor


def moments_of(features: Tensor) -> Moments:
    """Return the statistics of features (N, C, H, W) over pictures and places, in float32."""
    vectors = features.float().movedim(1, -1).flatten(0, -2)
    mean = vectors.mean(0)
    centred = vectors - mean
    return Moments(mean, centred.T @ centred / len(vectors))


def pooled(parts: Sequence[Moments], weights: Sequence[float]) -> Moments:
    """Return the statistics of all sites' features together, each site with its weight."""
    shares = [weight / sum(weights) for weight in weights]
    mean = sum((share * part.mean for share, part in zip(shares, parts, strict=True)), torch.tensor(0.0))
    covariance = torch.zeros_like(parts[0].covariance)
    for share, part in zip(shares, parts, strict=True):
        apart = part.mean - mean
        covariance += share * (part.covariance + torch.outer(apart, apart))
    return Moments(mean, covariance)


def problem_of_moments(numbers: Numbers, weights: Mapping[str, Tensor]) -> str | None:
    """Say what is wrong with a site's statistics; None where nothing is.

    Args:
        weights: of the network that they were measured in.
    """
    channels = [len(value) for name, value in weights.items() if name.startswith(f"{BOTTLENECK}.")][-1]
    expected = {
        "mean": np.zeros(channels, np.float32),
        "covariance": np.zeros((channels, channels), np.float32),
    }
    if problem := problem_of_shapes(numbers, expected):
        return problem
    if (numbers["covariance"].diagonal() < 0).any():
        return "a variance is negative"
    return None


class Alignment:
    """A penalty, as `losses.Penalty`: how far a batch's statistics at the bottleneck are from given ones.

    Means are compared in standard deviations, covariances as correlations are: both are 0 where they agree, and near 1
    where nothing does.

    Args:
        target: the statistics of all sites.
        weight: of the penalty in the loss.
    """

    def __init__(self, target: Moments, weight: float) -> None:
        self.target, self.weight = target, weight
        self._features: Tensor | None = None

    def watch(self, network: nn.Module) -> None:
        """See `losses.Penalty`."""

        def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            if output.requires_grad:  # evaluations are none of its business
                self._features = output

        network.get_submodule(BOTTLENECK).register_forward_hook(keep)

    def value(self) -> Tensor:
        """See `losses.Penalty`."""
        assert self._features is not None, "no step was watched"
        found, self._features = moments_of(self._features), None  # kept, it could not be copied
        mean, covariance = (part.to(found.mean.device) for part in (self.target.mean, self.target.covariance))
        scale = (covariance.diagonal() + FAINT).sqrt()
        off_mean = ((found.mean - mean) / scale).square().mean()
        off_covariance = ((found.covariance - covariance) / torch.outer(scale, scale)).square().mean()
        return self.weight * (off_mean + off_covariance)


@torch.inference_mode()
def measure(
    network: nn.Module, make_sample: Callable[[torch.Generator], tuple[Tensor, ...]], seed: int = 1
) -> Moments:
    """Return the statistics of a denoiser's bottleneck over samples of a site's pictures.

    Args:
        network: in evaluation mode.
        make_sample: draws (lq, target, sigma), as `train_denoise.make_sample` does.
    """
    found: list[Tensor] = []
    handle = network.get_submodule(BOTTLENECK).register_forward_hook(
        lambda _module, _inputs, output: found.append(output.float().cpu())
    )
    rng = torch.Generator().manual_seed(seed)
    device = next(network.parameters()).device
    for _ in range(SAMPLES // 8):
        lq, _, sigma = make_batch(make_sample, 8, rng)
        network(lq.to(device), sigma.to(device))
    handle.remove()
    return moments_of(torch.cat(found))
