"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table, one line for each row."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def figure_table(figures: Mapping[str, Any]) -> str:
    """Write a table, one line for each figure that has a name."""
    return table(
        ["figure", "value"], [[name.replace("_", " "), f"{value}"] for name, value in figures.items()]
    )


def interval(figures: dict[str, float], digits: int = 2) -> str:
    """Write a mean with its interval: mean (low to high)."""
    return f"{figures['mean']:.{digits}f} ({figures['low']:.{digits}f} to {figures['high']:.{digits}f})"


def gains(figures: dict[str, dict[str, float]], ours: str = "ours", unit: str = "dB") -> str:
    """Write one sentence of what was gained over each method, paired by picture."""
    parts = [f"{interval(gain)} {unit} over {method}" for method, gain in figures.items()]
    return f"{ours}, paired by picture: {'; '.join(parts)}.\n"


def scores(columns: Collection[Mapping[str, Any]], psnr: str, ssim: str) -> list[list[str]]:
    """Write a row for each method: PSNR with its interval / SSIM.

    Args:
        columns: each has, under the names `psnr` and `ssim`, figures by method.
    """
    return [
        [method, *(f"{interval(of[psnr][method])} / {of[ssim][method]['mean']:.4f}" for of in columns)]
        for method in next(iter(columns))[psnr]
    ]
