"""Section of RESULTS.md on faded prints."""

from __future__ import annotations

from typing import Any

from bench.tables import interval, table


def tone(result: dict[str, Any]) -> str:
    """Write the section on faded prints."""
    scores, gains = result["scores"], result["gain_over_faded_db"]
    rows = [
        [
            method,
            interval(scores["psnr_db"][method]),
            interval(scores["delta_e"][method]),
            interval(gains[method]) if method in gains else "",
        ]
        for method in scores["psnr_db"]
    ]
    kinds = ", ".join(f"{kind} {interval(gain)}" for kind, gain in result["gain_by_kind_db"].items())
    return (
        f"## Tone: {result['set']}\n\nDyes lost in part and unevenly, yellowed paper, stray light, weak noise, "
        "borders; fixed seeds, ranges in `bench/tone_set.py`. PSNR of RGB in dB and Delta E (CIEDE2000) inside the "
        "border. *Corrected* is the correction alone, on every print; *default* is the whole pipeline with default "
        "options, which first has to judge the print faded; *one stretched curve* is the classical contrast of "
        "`normalise`.\n\n"
        + table(["method", "PSNR", "Delta E", "gain in dB"], rows)
        + f"\nGained by *corrected*, in dB: {kinds}. By default {100 * result['judged_faded']:.1f} % of the prints are "
        f"corrected, and {100 * result['clean_judged_faded']:.1f} % of the clean photographs.\n"
    )
