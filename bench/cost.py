"""Count what the networks cost: parameters and multiply-accumulates; `bench.speed` measures times."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench import learned
from photorestore.networks.blocks import count_parameters
from photorestore.networks.descriptor import Network
from photorestore.networks.precision import FLOAT32
from photorestore.networks.runner import Runner, load_runner
from photorestore.networks.weights import NETWORKS, weights_file
from photorestore.options import TIERS
from photorestore.stages.base import Stage
from photorestore.stages.scratch.scene_head import CHANNELS
from photorestore.stages.scratch.search import PRINTS
from photorestore.stages.tiered import TieredStage
from photorestore.stages.translate.stage import USUAL
from photorestore.stages.upscale.stage import REAL
from training.baselines import NETWORKS as BASELINES

SIDE_PX = 512
FACE_PX = 256
SCALES = (2, 4)
MEASURED = {"denoise": "denoise", "scratch": PRINTS, "translate": USUAL, "upscale": REAL}
"""By stage, the network that is measured: of several, that for pictures as they mostly come."""

EACH = ("face", "picture")
"""Cases whose cost is that of one input, whatever its size."""
SQUARE_PX = 16
"""Sides of the squares that the detectors are told the scene of."""

Inputs = dict[str, tuple[Any, ...]]
"""What a network is called with, by case."""


def measure() -> dict[str, Any]:
    """Count the cost of every network that has weights, by name, and of the learned baselines.

    Multiply-accumulates are 10^9 for each megapixel of input, for each face or picture where the input is one.
    """
    rows: dict[str, dict[str, Any]] = {}
    for name in sorted(NETWORKS):
        for tier in TIERS:
            if name in INPUTS and weights_file(name, tier).exists():
                rows |= _count(f"{name}, {tier}", load_runner(name, tier, precision=FLOAT32), INPUTS[name]())
    for name in BASELINES:
        if loaded := learned.load(name):
            rows |= _count(loaded[0], loaded[1], INPUTS[name]())
    return {"networks": rows}


def parameters(network: nn.Module | Runner[Any]) -> int:
    """Return the number of learned values."""
    module = network.network if isinstance(network, Runner) else network
    assert isinstance(module, nn.Module)
    return count_parameters(module)


def gmacs(network: nn.Module | Runner[Any], *inputs: Any) -> float:
    """Return the multiply-accumulates (10^9) of one forward pass."""
    called = replace(network, precision=FLOAT32) if isinstance(network, Runner) else network
    given = inputs[: len(network.descriptor.inputs)] if isinstance(network, Runner | Network) else inputs
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        called(*given)
    return counter.get_total_flops() / 2 / 1e9


def gmacs_per_megapixel(network: nn.Module | Runner[Any], name: str) -> float:
    """Return `gmacs` for each megapixel of input, without halo, of a network that a stage runs."""
    return gmacs(network, *next(iter(INPUTS[name]().values()))) / (SIDE_PX**2 / 1e6)


def _count(label: str, network: nn.Module | Runner[Any], cases: Inputs) -> dict[str, dict[str, Any]]:
    rows = {}
    for case, inputs in cases.items():
        per, share = (case, 1.0) if case in EACH else ("megapixel", math.prod(inputs[0].shape[-2:]) / 1e6)
        rows[f"{label}, {case}" if case and case not in EACH else label] = {
            "parameters": parameters(network),
            "gmacs": round(gmacs(network, *inputs) / share, 2),
            "per": per,
        }
    return rows


def _image(channels: int = 3) -> Tensor:
    return torch.rand(1, channels, SIDE_PX, SIDE_PX)


def _to_search() -> Inputs:
    """A picture, and a map of what it shows."""
    return {"": (_image(), torch.rand(1, CHANNELS, SIDE_PX // SQUARE_PX, SIDE_PX // SQUARE_PX))}


def _by_scale() -> Inputs:
    return {f"x{scale}": (_image(), scale) for scale in SCALES}


def network_of(stage: Stage) -> Runner[Any] | None:
    """Return the network of a loaded stage that is measured, if there is one."""
    if stage.name not in MEASURED or not isinstance(stage, TieredStage):
        return None
    return stage.configured.networks[MEASURED[stage.name]]


INPUTS: dict[str, Callable[[], Inputs]] = {
    "denoise": lambda: {"": (_image(),)},
    "deblur": lambda: {"": (_image(),)},
    "weather": lambda: {"": (_image(),)},
    "preprocess_demosaic": lambda: {"": (_image(1), _image(), torch.tensor([0.0]))},
    "preprocess_scene": lambda: {"picture": (_image(),)},
    "scratch": _to_search,
    "scratch_print": _to_search,
    "translate": lambda: {"": (_image(), torch.ones(1, 1, SIDE_PX, SIDE_PX))},
    "face": lambda: {"face": (torch.rand(1, 3, FACE_PX, FACE_PX),)},
    "upscale": _by_scale,
    "upscale_real": _by_scale,
    "autoencoder": lambda: {"": (_image(1),)},
    "srcnn": lambda: {"": (_image(1), SCALES[0])},
    "lapsrn": lambda: {"": (_image(1),)},
}
"""SRCNN's input is the enlarged picture; LapSRN gives both scales in one pass."""
