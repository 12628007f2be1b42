"""Section of RESULTS.md on colours for grey photographs."""

from __future__ import annotations

from typing import Any

from bench.tables import gains, interval, table


def colorize(result: dict[str, Any]) -> str:
    """Write the section on colours for grey photographs."""
    seconds = result["seconds_per_megapixel"]
    rows = [
        [
            method,
            interval(rmse),
            interval(result["psnr_ab_db"][method]),
            f"{result['colourfulness_share'][method]:.2f}",
            f"{seconds[method]:.2f}" if method in seconds else "",
        ]
        for method, rmse in result["rmse_ab"].items()
    ]
    text = (
        f"## Colours for grey photographs: {result['set']}\n\nErrors are those of CIELab's a and b. A reference is "
        "another crop of the photograph, turned, of other exposure; or, unrelated, another photograph. Lightness is "
        f"off by more than 1/255 in {100 * result['lightness_off_share']:.2f} % of the pixels at most.\n\n"
    ) + table(["method", "RMSE", "PSNR in dB (peak 255)", "colourfulness", "s of a core per MP"], rows)
    text += "\nAccepted are " + ", ".join(
        f"{100 * share:.0f} % of the references of `{method}`"
        for method, share in result["accepted_share"].items()
    )
    text += ". What the confidence of colours stands for (in `confidence`, 255 times as much):\n\n"
    text += table(
        ["method", "confidence", "share of the pixels", "RMSE"],
        [
            [
                method,
                f"{part['from']:g} to {part['to']:g}",
                f"{100 * part['share']:.1f} %",
                f"{part['rmse_ab']:.1f}",
            ]
            for method, parts in result["by_confidence"].items()
            for part in parts
        ],
    )
    for method, gained in result["gain_over_db"].items():
        text += "\n" + gains(gained, method)
    return text
