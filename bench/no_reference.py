"""BRISQUE, a score of pictures without a reference (Mittal, Moorthy and Bovik, TIP 2012).

The package that carries its model needs a C++ compiler to install, so that it is no part of the environment:

    .venv/bin/pip install --group brisque
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor


def load_brisque() -> Callable[[Tensor], float] | None:
    """Load BRISQUE for uint8 (3, H, W): about 0 (natural) to 100; None where the package is not installed."""
    try:
        from brisque import BRISQUE
    except ImportError:
        return None

    model = BRISQUE()
    scale = model.scale_features
    # Some features come as arrays of one number, which NumPy 2.4 no longer takes for numbers.
    model.scale_features = lambda features: scale([np.ravel(feature)[0] for feature in features])
    return lambda image: float(model.score(image.permute(1, 2, 0).numpy()))
