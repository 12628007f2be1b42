"""Run networks from elsewhere, in the architectures that spandrel knows, under the contracts of our stages.

The package spandrel comes with the extra `import`, and is imported where such a network is loaded.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.errors import BrokenArtifact
from photorestore.networks.descriptor import IMAGE, SCALE, Descriptor, Port

FACE_PX = 256
"""Sides of the upright faces that the stage `face` hands over."""
NEED_TORCHVISION = {
    "LaMa": ("model.model.1.bn_l.running_mean", "generator.model.1.bn_l.running_mean"),
    "RestoreFormer": ("quantize.embedding.weight", "quant_conv.weight"),
}
"""The two architectures of spandrel that import torchvision, and names of weights that only they have."""


class ImportedNetwork(nn.Module):
    """A network from elsewhere; its result is within [0, 1].

    Args:
        values: its weights, in spandrel's names.
        kind: spandrel's name of the architecture.
        stage: in which it works.
        scale: by which it enlarges.
        stride, reach_px: see `Descriptor`; without a reach it is given whole pictures.
        side_px: sides to which upright faces are enlarged for it, and from which its result is shrunk.
        in_bfloat16: see `Descriptor`.

    Raises:
        BrokenArtifact: spandrel is not installed, or takes the weights for another architecture.
    """

    def __init__(  # noqa: PLR0913 - what metadata tell, by name
        self,
        values: Mapping[str, Tensor],
        *,
        kind: str,
        stage: str,
        scale: int = 1,
        stride: int = 1,
        reach_px: int | None = None,
        side_px: int = FACE_PX,
        in_bfloat16: bool = True,
    ) -> None:
        super().__init__()
        try:
            self._described = described(values)
        except (ImportError, ValueError) as error:
            raise BrokenArtifact(f"a network from elsewhere cannot be built: {error}") from error
        if self._described.architecture.id != kind:
            raise BrokenArtifact(f"weights of {kind} are taken for {self._described.architecture.id}")
        self.inner = self._described.model
        self._stage, self._side_px = stage, side_px
        extra = {"upscale": SCALE, "denoise": Port("sigma", "N", 0, 1, is_optional=True)}
        self.descriptor = Descriptor(
            kind,
            (IMAGE, extra.get(stage, Port("strength", "N", 0, 1, is_optional=True))),
            Port("restored", "N 3 H W", 0, 1),
            stride=stride,
            reach_px=reach_px,
            scales=(scale,),
            in_bfloat16=in_bfloat16,
            takes_whole=reach_px is None,
        )

    def forward(self, image: Tensor, _told: object = None) -> Tensor:
        """Restore or enlarge.

        Args:
            image: (N, 3, H, W) in [0, 1].
            _told: what the stage tells its networks; these are not asked.

        Returns:
            (N, 3, scale * H, scale * W), float32, in [0, 1].
        """
        if self._stage != "face" or self._side_px == image.shape[-1]:
            return self._restored(image)
        sides = (self._side_px, self._side_px)
        larger = F.interpolate(image, sides, mode="bicubic", antialias=True).clamp(0, 1)
        size_hw = tuple(image.shape[-2:])
        return F.interpolate(self._restored(larger), size_hw, mode="bicubic", antialias=True).clamp(0, 1)

    def at_canary(self, image: Tensor) -> Tensor:
        """See `canary.CanaryNetwork`."""
        seen = self(image)
        return seen - F.interpolate(image, scale_factor=self.descriptor.scales[0], mode="nearest")

    def _restored(self, image: Tensor) -> Tensor:
        # spandrel promises what it does for one picture, and clamps in place
        parts = [self._described(part.contiguous().clone()).float() for part in image.split(1)]
        return torch.cat(parts)


class _Absent:
    """Stands for an architecture that cannot be imported: it knows its weights, and says why it does not take them."""

    def __init__(self, name: str, why: str) -> None:
        self.id, self.name, self._why = name, name, why

    def detect(self, values: Mapping[str, object]) -> bool:
        return any(name in values for name in NEED_TORCHVISION[self.id])

    def load(self, _values: Mapping[str, object]) -> None:
        raise ValueError(f"{self.name} needs torchvision, which cannot be imported: {self._why}")


def canonical(stored: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the weights of a file out of the words that trainings wrap them in.

    Raises:
        ImportError: spandrel is not installed.
    """
    return dict(_spandrel().canonicalize_state_dict(dict(stored)))


def described(values: Mapping[str, Any]) -> Any:
    """Return spandrel's `ModelDescriptor` of weights, float32, in evaluation mode, without gradients.

    Raises:
        ImportError: spandrel is not installed.
        ValueError: the weights are of no architecture that it knows, or do not fit the one that they seem to be of.
    """
    spandrel = _spandrel()
    try:
        found = spandrel.MAIN_REGISTRY.load(dict(values))
    except spandrel.UnsupportedModelError as error:
        raise ValueError("the weights are of no architecture that spandrel knows") from error
    except (AssertionError, IndexError, KeyError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"the weights do not fit the architecture that they seem to be of: {error!r:.300}"
        ) from error
    found.model.float().eval().requires_grad_(False)
    return found


@functools.cache
def _spandrel() -> Any:
    """Import spandrel, which imports all of its architectures, two of them with torchvision.

    Where torchvision is missing, or made for another build of torch, these two are left out.
    """
    try:
        import torchvision  # noqa: F401, PLC0415
    except (ImportError, RuntimeError, OSError) as error:
        for name in NEED_TORCHVISION:
            module: Any = ModuleType(f"spandrel.architectures.{name}")
            setattr(module, f"{name}Arch", functools.partial(_Absent, name, str(error)))
            sys.modules.setdefault(module.__name__, module)
    import spandrel  # noqa: PLC0415

    return spandrel
