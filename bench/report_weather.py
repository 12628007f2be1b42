"""Section of RESULTS.md on weather."""

from __future__ import annotations

from typing import Any

from bench.tables import interval, table


def weather(result: dict[str, Any]) -> str:
    """Write the section on rain, snow and haze."""
    rows = [
        [
            name,
            method,
            look,
            *(interval(found[key]) for key in ("before_db", "after_db", "gain_db")),
            f"{found['gain_db']['min']:.2f}",
            f"{100 * found['worked_share']:.0f} %",
        ]
        for look, figures in result["looks"].items()
        for name, by_method in figures["weathers"].items()
        for method, found in by_method.items()
    ]
    dry = [
        [
            method,
            look,
            interval(found["psnr_db"]),
            f"{found['psnr_db']['min']:.2f}",
            f"{100 * found['worked_share']:.0f} %",
        ]
        for look, figures in result["looks"].items()
        for method, found in figures["dry"].items()
    ]
    return (
        f"## Rain, snow and haze: {result['set']}, RGB PSNR in dB\n\nDrawn into the photographs, and into the same as "
        "old prints show them: grey, with grain. The dark channel prior knows neither how much haze there is nor "
        "whether there is any.\n\n"
        + table(["weather", "method", "of", "before", "after", "gain", "least gain", "worked on"], rows)
        + "\nThe same pictures without weather, what is left of them (60 dB: unchanged):\n\n"
        + table(["method", "of", "PSNR", "worst", "worked on"], dry)
    )
