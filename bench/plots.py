"""Charts and maps as a computer plots them, by matplotlib: (H, W, 3) uint8."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.pictures import Pixels, Rng
from bench.writing import word


def line_chart(rng: Rng) -> Pixels:
    """Plot four wandering curves with a legend and a grid."""

    def draw(axes: Axes) -> None:
        for name in "abcd":
            axes.plot(rng.normal(0, 1, 200).cumsum(), label=f"series {name}", linewidth=1)
        axes.grid(alpha=0.5, linestyle=":")
        axes.legend()
        axes.set(title="Index by day", xlabel="day", ylabel="points")

    return _figure(draw)


def bar_chart(rng: Rng) -> Pixels:
    """Plot bars with error bars, in grey."""

    def draw(axes: Axes) -> None:
        axes.bar(range(12), rng.uniform(2, 9, 12), yerr=0.6, capsize=3, color="0.75", edgecolor="black")
        axes.set_xticks(range(12), [word(rng)[:4] for _ in range(12)], rotation=45)
        axes.set_title("Yield by parish, 1911")

    return _figure(draw)


def contour_map(rng: Rng) -> Pixels:
    """Plot thin contours with their heights, and a river."""
    rows, columns = np.mgrid[0:1:160j, 0:1:200j]
    height = sum(
        rng.uniform(80, 400)
        * np.exp(-((rows - rng.random()) ** 2 + (columns - rng.random()) ** 2) / rng.uniform(0.02, 0.1))
        for _ in range(9)
    )

    def draw(axes: Axes) -> None:
        lines = axes.contour(height, 24, colors="saddlebrown", linewidths=0.6)
        axes.clabel(lines, list(lines.levels)[::4], fontsize=6)
        axes.plot(np.linspace(0, 199, 60), 70 + rng.normal(0, 2, 60).cumsum(), color="steelblue", linewidth=1)
        axes.set_axis_off()

    return _figure(draw)


def circuit(rng: Rng) -> Pixels:
    """Draw a ladder of resistors and capacitors with their names."""

    def draw(axes: Axes) -> None:
        zigzag = np.array([0, 0, 0.5, -0.5, 0.5, -0.5, 0.5, -0.5, 0, 0]) * 0.3
        for number in range(6):
            x = 2 * number
            axes.plot(x + np.linspace(0, 2, 10), 3 + zigzag, "k", linewidth=1.2)
            axes.text(x + 0.7, 3.3, f"R{number + 1} {rng.integers(1, 99)}k", fontsize=7)
            for low, high in ((3, 1.8), (1.5, 0)):
                axes.plot([x + 2, x + 2], [low, high], "k", linewidth=1.2)
            for level in (1.8, 1.5):
                axes.plot([x + 1.7, x + 2.3], [level] * 2, "k", linewidth=1.6)
            axes.text(x + 2.1, 1.0, f"C{number + 1}", fontsize=7)
        axes.plot([0, 12], [0, 0], "k", linewidth=1.2)
        axes.set(xlim=(-0.5, 13), ylim=(-0.5, 4))
        axes.set_axis_off()

    return _figure(draw, (7, 3))


def _figure(draw: Callable[[Axes], None], inches: tuple[float, float] = (7, 5)) -> Pixels:
    figure = Figure(inches, dpi=100, layout="tight")
    canvas = FigureCanvasAgg(figure)
    draw(figure.add_subplot())
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3].copy()
