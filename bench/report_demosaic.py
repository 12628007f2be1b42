"""Section of RESULTS.md on raw files."""

from __future__ import annotations

from typing import Any

from bench.tables import gains, interval, table


def demosaic(result: dict[str, Any]) -> str:
    """Write the section on demosaicking."""
    cases, seconds = result["psnr_db"], result["seconds_per_megapixel"]
    rows = [
        [method, *(interval(of[method]) for of in cases.values()), f"{spent:.2f}"]
        for method, spent in seconds.items()
    ]
    text = (
        f"## Raw files demosaicked: {result['set']}\n\nDNGs made of photographs, with white noise of encoded values; "
        "PSNR in dB in sRGB. LibRaw's is AHD for Bayer, Markesteijn's in three passes for X-Trans; it knows no "
        "noise.\n\n"
    ) + table(["method", *cases, "s of a core per MP"], rows)
    for case, gained in result["gain_over_db"].items():
        text += "\n" + gains(gained, f"{case}: ours")
    return text
