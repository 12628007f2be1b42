"""Section of RESULTS.md on known blurs."""

from __future__ import annotations

from typing import Any

from bench.tables import gains, interval, table


def deblur(result: dict[str, Any]) -> str:
    """Write the section on known blurs."""
    levels, seconds = result["psnr_db"], result["seconds_per_megapixel"]
    methods = next(iter(levels.values()))
    rows = [[method, *(interval(level[method]) for level in levels.values())] for method in methods]
    best = "; ".join(
        f"sigma_255 {level}: {', '.join(names)}" for level, names in result["best_settings"].items()
    )
    text = (
        f"## Known blurs: {result['set']}, RGB PSNR in dB\n\nValid convolution, then Gaussian noise, neither clipped "
        f"nor quantised; {result['crop_px']} px a side, of which a margin of {result['margin_px']} does not count; all "
        "are told kernel and noise, and treat borders as we do. The classical methods stand with the setting that is "
        f"best for all these pictures ({best}), ours with the one that was chosen on training photographs.\n\n"
    ) + table(["method", *(f"sigma_255 {level}" for level in levels)], rows)
    for level, gained in result["gain_over_db"].items():
        text += "\n" + gains(gained, f"Half-quadratic splitting, sigma_255 {level}")
    took = "; ".join(f"{name}: {spent}" for name, spent in seconds.items())
    text += f"\nSeconds per megapixel, on a busy core: {took}.\n\n"
    kernels = result["by_kernel_db"]
    rows = [
        [kernel, *(f"{found[kernel][method]:.2f}" for found in kernels.values() for method in methods)]
        for kernel in next(iter(kernels.values()))
    ]
    return text + table(["kernel", *(f"{method}, {level}" for level in kernels for method in methods)], rows)
