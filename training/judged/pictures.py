"""Pictures whose kind and faults are known, and the sources that they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from photorestore.stages.preprocess.network import FLAGS
from training.degradations.sources import DamageSources, PrintSources

UNKNOWN = -1.0


@dataclass(frozen=True, slots=True)
class RealPrint:
    """A real old print.

    Attributes:
        image: uint8 (3, H, W).
        damaged: 1, 0 or `UNKNOWN`.
    """

    image: Tensor
    damaged: float


@dataclass(frozen=True, slots=True)
class Sources:
    """Sources of pictures: photographs in uint8 (3, H, W), by folder; prints; damage."""

    folders: Sequence[Sequence[Tensor]]
    prints: Sequence[RealPrint]
    film: DamageSources
    cracks: PrintSources


@dataclass(frozen=True, slots=True)
class Judged:
    """A picture (3, H, W) in [0, 1], its kind (an index, or -1), and 1, 0 or `UNKNOWN` for what may be wrong."""

    image: Tensor
    kind: int
    damaged: float = 0.0
    noisy: float = 0.0
    faded: float = 0.0
    toned: float = UNKNOWN

    @property
    def flags(self) -> list[float]:
        """In the order of `FLAGS`."""
        return [getattr(self, name) for name in FLAGS]
