"""A made picture through a network: what comes out is known, so that weights that have changed are found out.

The answer is computed when weights are saved, stands in their metadata, and is compared wherever they are loaded:
in the precision and on the device that the network will compute in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.errors import BrokenArtifact
from photorestore.networks.denoise import DenoiseUNet
from photorestore.networks.face import FaceUNet
from photorestore.networks.face_detector import FaceDetector
from photorestore.networks.judge import JudgeNet
from photorestore.networks.scratch import ScratchUNet
from photorestore.networks.tone import ToneNetwork, quantiles_of
from photorestore.networks.translate import Translator
from photorestore.networks.upscale import Upscaler, enlarge

SIDE_PX = 32
LENGTH = 64
"""Values of an answer."""
TOLERANCE = 0.1
"""By how much an answer may be off, as `distance` says it. In bfloat16 the networks that ship are off by up to .01,
with weights of 0 by .8 and more."""
FLOOR = 0.02
"""Of what is smaller the absolute difference counts: a network that has learned little has small answers."""


def make_picture(side_px: int = SIDE_PX) -> Tensor:
    """(1, 3, side_px, side_px): soft waves under strong noise, the same on every machine."""
    count = 3 * side_px**2
    noise = torch.arange(count) * 2654435761 % 2**32 / 2**32  # Knuth's multiplicative hash
    at = torch.arange(side_px) / side_px
    waves = (6 * at).sin() * (4 * at[:, None]).cos()
    return (0.5 + 0.2 * waves + 0.5 * (noise.float().view(1, 3, side_px, side_px) - 0.5)).clamp(0, 1)


def answer_of(network: nn.Module) -> list[float] | None:
    """What a network makes of the picture: `LENGTH` values. None for a class that no stage runs.

    The network must be in evaluation mode; autocast is the caller's.
    """
    look = LOOKS.get(type(network))
    if look is None:
        return None
    device = next(network.parameters()).device
    with torch.inference_mode():
        seen = look(network, make_picture().to(device)).float().flatten().cpu()
    at = torch.linspace(0, len(seen) - 1, LENGTH).round().long()
    return [round(value, 6) for value in seen[at].tolist()]


def check(network: nn.Module, expected: list[float], name: str) -> None:
    """Compare a network's answer with the one that its weights were saved with.

    Raises:
        BrokenArtifact: they differ.
    """
    answer = answer_of(network) or []
    off = distance(answer, expected)
    if not off <= TOLERANCE:
        raise BrokenArtifact(
            f"{name} does not do what it did when it was saved: its answer to a known picture is off by {off:.0%}"
        )


def distance(answer: list[float], expected: list[float]) -> float:
    """Root mean square of the difference, in shares of that of what was expected."""
    if len(answer) != len(expected):
        return math.inf
    return math.dist(answer, expected) / (math.hypot(*expected) + FLOOR * math.sqrt(len(expected)))


def _plain(network: Any, image: Tensor) -> Tensor:
    seen: Tensor = network(image)
    return seen


def _denoise(network: Any, image: Tensor) -> Tensor:
    return _plain(network, image) - image


def _face(network: Any, image: Tensor) -> Tensor:
    at_work = image.repeat(1, 1, 2, 2)  # 64 px: a multiple of any stride in use
    return _plain(network, at_work) - at_work


def _translate(network: Any, image: Tensor) -> Tensor:
    hole = torch.zeros_like(image[:, :1])
    part = (..., slice(8, 24), slice(8, 24))
    hole[part] = 1
    filled: Tensor = network(image, hole)[part]
    return filled - 0.5


def _tone(network: Any, image: Tensor) -> Tensor:
    numbers: Tensor = network.numbers_of(image, quantiles_of(image))
    return numbers


def _judge(network: Any, image: Tensor) -> Tensor:
    logits: Tensor = network(image, image[:, None])
    return logits


def _upscale(network: Any, image: Tensor) -> Tensor:
    small = image[..., :16, :16]
    return torch.cat([(network(small, scale) - enlarge(small, scale)).flatten() for scale in network.scales])


def _detect(network: Any, image: Tensor) -> Tensor:
    seen = 2 * image - 1
    networks = ((network.proposal, 24), (network.refine, 24), (network.output, 48))
    return torch.cat(
        [part.flatten() for net, side in networks for part in net(F.interpolate(seen, (side, side)))]
    )


LOOKS: dict[type[nn.Module], Callable[[Any, Tensor], Tensor]] = {
    DenoiseUNet: _denoise,
    FaceDetector: _detect,
    FaceUNet: _face,
    JudgeNet: _judge,
    ScratchUNet: _plain,
    ToneNetwork: _tone,
    Translator: _translate,
    Upscaler: _upscale,
}
"""How each class is shown the picture; of those that give a picture back, what they changed counts."""
