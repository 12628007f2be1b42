"""Small networks of an architecture that spandrel knows, and what skips tests where it is not installed."""

import importlib.util
from typing import Any

import pytest
import torch
from torch import Tensor

from photorestore.networks.imported import described

needs_spandrel = pytest.mark.skipif(
    importlib.util.find_spec("spandrel") is None, reason="spandrel is not installed: the extra `import`"
)


def registry() -> Any:
    """Spandrel's list of architectures, without those that cannot be imported."""
    with pytest.raises(ValueError, match="no architecture"):
        described({"weight": torch.zeros(1)})
    import spandrel  # after the product has, which does without torchvision

    return spandrel.MAIN_REGISTRY


def compact(scale: int) -> dict[str, Tensor]:
    """Random weights of a RealESRGAN Compact, three convolutions of 4 channels."""
    registry()
    from spandrel.architectures.Compact import Compact

    torch.manual_seed(scale)
    values: dict[str, Tensor] = Compact(num_feat=4, num_conv=1, upscale=scale).state_dict()
    return values
