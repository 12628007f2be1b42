"""The learned baselines (`training.baselines`), trained for minutes; each is named with its budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.pictures import Floats
from photorestore.networks.weights import build_network, read_metadata, weights_file
from photorestore.pixels.tensors import luma
from training.baselines import NETWORKS
from training.degradations.noise import quantise
from training.degradations.resize import bicubic
from training.train_baselines import enlarge_luma

WEIGHTS = Path("bench/weights")
TITLES = {"autoencoder": "grey autoencoder", "srcnn": "SRCNN", "lapsrn": "LapSRN, small"}


@dataclass(frozen=True, slots=True)
class Autoencoder:
    """The grey autoencoder; `denoise` takes and gives (H, W) in [0, 1]."""

    label: str
    denoise: Callable[[Floats], Floats]


def load_autoencoder() -> Autoencoder | None:
    """Load the grey autoencoder; None where it has no weights."""
    loaded = load("autoencoder")
    if loaded is None:
        return None
    label, network = loaded

    @torch.inference_mode()
    def denoise(noisy: Floats) -> Floats:
        return network(torch.from_numpy(noisy)[None, None])[0, 0].numpy()

    return Autoencoder(label, denoise)


def load_enlargers() -> dict[str, Callable[[Tensor, int], Tensor]]:
    """Load SRCNN and LapSRN, those that have weights, by label: (3, H, W), scale to (3, scale * H, scale * W).

    They enlarge luma; chroma is bicubic's. Results hold 8-bit values.
    """
    enlargers = {}
    for name in ("srcnn", "lapsrn"):
        if loaded := load(name):
            enlargers[loaded[0]] = _enlarger(loaded[1])
    return enlargers


def load(name: str) -> tuple[str, nn.Module] | None:
    """Load a baseline: its label, with its budget, and its network; None where it has no weights."""
    file = weights_file(name, "fast", WEIGHTS)
    if not file.exists():
        return None
    metadata = read_metadata(file)
    minutes = metadata["seconds"] / 60
    label = f"{TITLES[name]} (trained by us, {metadata['steps']} steps in {minutes:.0f} min)"
    return label, build_network(NETWORKS[name], file)


def _enlarger(network: nn.Module) -> Callable[[Tensor, int], Tensor]:
    @torch.inference_mode()
    def enlarge(lr: Tensor, scale: int) -> Tensor:
        enlarged = bicubic(lr, scale)
        small = luma(lr)
        # What is added to all three channels alike changes luma by as much and chroma not at all.
        return quantise(enlarged + enlarge_luma(network, small, scale) - bicubic(small, scale))

    return enlarge
