"""Sections of RESULTS.md on what the networks and the service cost."""

from __future__ import annotations

from typing import Any

from bench.tables import figure_table, table


def cost(result: dict[str, Any]) -> str:
    """Write the section on counted cost."""
    rows = [
        [name, f"{figures['parameters'] / 1e6:.3f} M", f"{figures['gmacs']:.1f}", figures["per"]]
        for name, figures in result["networks"].items()
    ]
    return (
        "## Size of the networks\n\nCounted, bare networks without halo. SRCNN's megapixels are those of the enlarged "
        "picture.\n\n"
    ) + table(["network", "parameters", "GMACs", "per"], rows)


def speed(result: dict[str, Any]) -> str:
    """Write the section on speed."""
    rows = [
        [
            name,
            f"{figures['parameters'] / 1e6:.2f} M",
            f"{figures['gmacs_per_megapixel']:.0f}",
            f"{figures['s_per_megapixel']:.2f}",
        ]
        for name, figures in result["stages"].items()
    ]
    rows += [
        [name, f"{figures['parameters'] / 1e6:.3f} M", "", f"{figures['s_per_megapixel']:.2f}"]
        for name, figures in result.get("baselines", {}).items()
    ]
    h, w = result["picture_hw"]
    return (
        f"## Speed: {w}x{h}, every tile at work, {result['threads']} threads, {result['processor']}\n\nThrough the "
        f"tiler, halo included; *upscale* makes two by two of each pixel. The others together: "
        f"{result['networks_s_per_megapixel']:.2f} s per megapixel.\n\n"
    ) + table(["stage", "parameters", "GMACs/MP (bare)", "s/MP"], rows)


def throughput(result: dict[str, Any]) -> str:
    """Write the section on throughput."""
    text = (
        f"## Throughput: {', '.join(result['stages'])} through the tiler and batcher\n\nBatches of made photographs of "
        "mixed sizes, every tile at work; decoding and encoding are not part of it. *Networks* is the share of the "
        "time that the bare networks take on the same tiles. Peak memory is the allocator's on a GPU, the process's on "
        "a CPU.\n"
    )
    for device, found in result["devices"].items():
        for mode in ("eager", "compiled"):
            if mode in found:
                text += f"\n**{device}**, {mode}, tiles of {found['tile_px']} px, {found['tile_batch']} a pass\n\n"
                text += table(
                    ["megapixels each", "batch", "MP/s", "networks", "peak MB"], _cells(found[mode])
                )
    return text


def _cells(rows: list[dict[str, Any]]) -> list[list[str]]:
    return [
        [
            f"{row['megapixels']:g}",
            f"{row['batch']}",
            f"{row['megapixels_per_s']:.2f}",
            f"{100 * row['share_of_networks']:.0f} %",
            f"{row['peak_mb']}",
        ]
        for row in rows
    ]


def serving(result: dict[str, Any]) -> str:
    """Write the section on serving."""
    return "## The served workflow against the pipeline in process\n\n" + figure_table(result["figures"])


def edge(result: dict[str, Any]) -> str:
    """Write the section on the edge."""
    head = "## The REST edge under load\n\n`bench/edge.py` says what each figure is.\n\n"
    return head + figure_table(result["figures"])
