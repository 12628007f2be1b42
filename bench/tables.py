"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """One line for each row."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def interval(figures: dict[str, float], digits: int = 2) -> str:
    """Mean (low to high)."""
    return f"{figures['mean']:.{digits}f} ({figures['low']:.{digits}f} to {figures['high']:.{digits}f})"


def gains(figures: dict[str, dict[str, float]], ours: str = "ours", unit: str = "dB") -> str:
    """One sentence of what was gained over each method, paired by picture."""
    parts = [f"{interval(gain)} {unit} over {method}" for method, gain in figures.items()]
    return f"{ours}, paired by picture: {'; '.join(parts)}.\n"
