"""Sections of RESULTS.md on known and unknown blurs."""

from __future__ import annotations

from statistics import mean
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
    for level, found in result["by_kernel_db"].items():
        shaken, soft = (
            [scores for kernel, scores in found.items() if (kernel in result["gaussians"]) is is_soft]
            for is_soft in (False, True)
        )
        text += (
            f"\nsigma_255 {level}, over the better of the classical methods: {_gain(shaken):.2f} dB with shake, motion "
            f"and defocus ({len(shaken)} kernels), {_gain(soft):.2f} with Gaussians ({len(soft)}).\n"
        )
    took = "; ".join(f"{name}: {spent}" for name, spent in seconds.items())
    text += f"\nSeconds per megapixel of these crops, which their margins more than double, on a busy core: {took}.\n\n"
    kernels = result["by_kernel_db"]
    rows = [
        [kernel, *(f"{found[kernel][method]:.2f}" for found in kernels.values() for method in methods)]
        for kernel in next(iter(kernels.values()))
    ]
    return text + table(["kernel", *(f"{method}, {level}" for level in kernels for method in methods)], rows)


def _gain(kernels: list[dict[str, float]]) -> float:
    """Mean gain of the second method, ours, over the better of those that follow."""
    return mean(ours - max(others) for _, ours, *others in (scores.values() for scores in kernels))


def unknown(result: dict[str, Any]) -> str:
    """Write the section on blurs that nobody tells."""
    levels, kernels, near = result["psnr_db"], result["by_kernel_db"], result["near"]
    rows = [[method, interval(found)] for method, found in levels.items()]
    trusted = [kernel for kernel in kernels if kernel not in result["problems"]]
    text = (
        f"## Unknown blurs: {result['set']}, RGB PSNR in dB\n\nNoise of sigma_255 {result['sigma_255']}. The estimated "
        "PSF is moved onto the given one first.\n\n"
    ) + table(["method", "PSNR"], rows)
    text += (
        f"\nWith the estimated PSF {len(near)} of {len(kernels)} pictures are within 2 dB of the given one, of the "
        f"{len(trusted)} that are trusted {len(set(near) & set(trusted))}; the others are left as they are. The "
        f"network returns sharp photographs at {interval(result['sharp_db'])} dB. `auto` takes the estimate, and "
        f"shrinkage fields, in {len(result['used_by_auto'])} pictures, and the network in the others; of the sharp "
        f"photographs it looks for a blur in {result['sharp_taken_for_blurred']}.\n\n"
    )
    columns = [*levels, "agreement"]
    rows = [[kernel, *(f"{found[name]:.2f}" for name in columns)] for kernel, found in kernels.items()]
    return text + table(["kernel", *columns], rows)
