"""Choose the precision in which networks compute."""

from __future__ import annotations

import torch

PRECISIONS = AUTO, BFLOAT16, FLOAT32 = "auto", "bfloat16", "float32"


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return the context to compute in.

    Args:
        precision: `BFLOAT16`, `FLOAT32`, or `AUTO`: bfloat16 where the processor multiplies in it; see also `engines`.
    """
    is_bfloat16 = precision == BFLOAT16 or (precision == AUTO and _multiplies_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=is_bfloat16)


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.backends.mkldnn.is_available() and bool(
        torch.ops.mkldnn._is_mkldnn_bf16_supported()  # noqa: SLF001 - there is no public name
    )
