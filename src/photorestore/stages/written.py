"""Write what other files say of the stages: the workflow, and the table of docs/architecture.md.

    python -m photorestore.stages.written                 write them anew from the rows; `make stages`
    python -m photorestore.stages.written workflow gpu    print the workflow for machines with a GPU, for archive.sh

Like the rows it imports only the standard library.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from photorestore.stage_row import StageRow
from photorestore.stage_table import ROWS

_WORKFLOW = """\
# The pipeline as TorchServe runs it. Every node always runs; a stage with nothing to do passes.
# Written by `make stages` from the rows in src/photorestore/stage_table.py, where the reasons stand; archive.sh packs
# it into model_store/restore.war.
models:
    # These hold for the models below them, so they stand first.
    min-workers: 1
    max-workers: 1
    batch-size: 1
    max-batch-delay: 1        # ms; paid by every request, also when nothing waits
    retry-attempts: 1         # one more try, for example after a worker was killed
    timeout-ms: 660000        # of a try; above restart and model load, and above the longest time a caller may allow

{models}

dag:
{dag}
"""
_MARKED = re.compile(r"(<!-- stages -->\n).*?(\n<!-- /stages -->)", re.DOTALL)


def packed_networks(row: StageRow) -> tuple[str, ...]:
    """Return the networks in a stage's archive: its own, and the first stage's, for pictures sent to it alone."""
    names = [
        name for run in (ROWS[0], row) for name in (*(network.name for network in run.networks), *run.borrows)
    ]
    return tuple(dict.fromkeys(names))


def workflow(device: str = "cpu") -> str:
    """Return the text of `workflow.yaml`, for a `device` "cpu" or "gpu"."""
    followers = {row.name: [other.name for other in ROWS if row.name in other.after] for row in ROWS}
    dag = [f"    {name}: [{', '.join(names)}]" for name, names in followers.items() if names]
    return _WORKFLOW.format(models="\n".join(_node(row, device) for row in ROWS), dag="\n".join(dag))


def table() -> str:
    """Return the pipeline as a picture and a table, in Markdown."""
    arrows = [f"    {' & '.join(row.after)} --> {row.name}" for row in ROWS if row.after]
    lines = [
        "```mermaid",
        "flowchart LR",
        f"    upload([upload]) --> {ROWS[0].name}",
        *arrows,
        f"    {ROWS[-1].name} --> restored([restored photo])",
        "```",
        "",
        "| stage | what it does | works when | in `stages` | in `strength` | writes |",
        "|---|---|---|---|---|---|",
        *map(_table_row, ROWS),
    ]
    return "\n".join(lines)


def write(home: Path) -> None:
    """Write the files of a checkout anew."""
    for name, change in FILES.items():
        file = home / name
        file.write_text(change(file.read_text()))


def _node(row: StageRow, device: str) -> str:
    told = {
        "batch-size": row.gpu_batch_size if device == "gpu" else row.batch_size,
        "max-batch-delay": row.max_batch_delay_ms,
        "max-workers": row.max_workers,
    }
    settings = [f"        {name}: {value}" for name, value in told.items() if value != 1]  # 1 holds for all
    return "\n".join([f"    {row.name}:", f"        url: {row.name}.mar", *settings])


def _table_row(row: StageRow) -> str:
    planes = ", ".join(f"`{plane.name}`" for plane in row.planes)
    chosen, weighed = ("yes" if is_so else "" for is_so in (row.is_selectable, row.has_strength))
    return f"| `{row.name}` | {row.does} | {row.works_when} | {chosen} | {weighed} | {planes} |"


FILES: dict[str, Callable[[str], str]] = {
    "workflow.yaml": lambda _: workflow(),
    "docs/architecture.md": lambda text: _MARKED.sub(lambda part: f"{part[1]}{table()}{part[2]}", text),
}
"""By name: what makes the text that a file should have from the one that it has."""


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["workflow", device]:
            sys.stdout.write(workflow(device))
        case _:
            write(Path())
