"""Log of a run: a CSV, its plot, and the mean loss between two rows."""

from __future__ import annotations

import csv
from pathlib import Path

from torch import Tensor


class Log:
    """A CSV of a run's figures, and its plot."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "log.csv"

    def write(self, step: int, **values: float) -> None:
        """Print one row and append it."""
        row = {"step": step, **{key: round(value, 5) for key, value in values.items()}}
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        is_new = not self.file.exists()
        with self.file.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if is_new:
                writer.writeheader()
            writer.writerow(row)

    def draw(self, target: Path) -> None:
        """Draw every column over the steps, if there are any."""
        if not self.file.exists():
            return
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        with self.file.open() as file:
            rows = list(csv.DictReader(file))
        names = [name for name in rows[0] if name not in ("step", "seconds", "learning_rate")]
        figure, axes = pyplot.subplots(1, len(names), figsize=(4.5 * len(names), 3.5), squeeze=False)
        for axis, name in zip(axes[0], names, strict=True):
            axis.plot([int(row["step"]) for row in rows], [float(row[name]) for row in rows])
            axis.set(title=name, xlabel="step")
            axis.grid(alpha=0.3)
        figure.tight_layout()
        figure.savefig(target, dpi=80)
        pyplot.close(figure)


class Mean:
    """Mean of the values since it was last taken; on a GPU nothing waits for them before."""

    def __init__(self) -> None:
        self._sum: Tensor | float = 0.0
        self._count = 0

    def add(self, value: Tensor) -> None:
        """Add one value."""
        self._sum = self._sum + value
        self._count += 1

    def take(self) -> float:
        """Return the mean, and begin anew; 0 where there were no values."""
        mean = float(self._sum) / max(1, self._count)
        self._sum, self._count = 0.0, 0
        return mean
