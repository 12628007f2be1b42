"""Section of RESULTS.md on the options of the denoiser's training."""

from __future__ import annotations

from typing import Any

from bench.tables import table

TITLES = {
    "targets": "Noise2Noise: targets that are noisy themselves",
    "losses": "Noise2Noise where pixels are replaced by random colours: mean, median or mode",
    "poisson": "Counted photons, and a map of their noise level",
    "sampler": "On-demand learning: PSNR from the easiest level to the hardest",
}


def experiments(result: dict[str, Any]) -> str:
    """Write the section on the options of the denoiser's training."""
    text = (
        "## Options of the denoiser's training\n\nSmall networks, equal steps, one option changed at a time; blind "
        "PSNR in dB on held-out photographs of BSDS400 (`python -m training.experiments`). They only compare.\n"
    )
    for name, title in TITLES.items():
        if name in result:
            found = result[name]["psnr_db"]
            levels = next(iter(found.values()))
            rows = [[run, *(f"{psnr:.2f}" for psnr in values.values())] for run, values in found.items()]
            text += f"\n**{title}** ({result[name]['steps']} steps each)\n\n" + table(
                ["training", *levels], rows
            )
    return text
