"""Measure the networks and the pipeline, and write RESULTS.md.

    make bench
    python -m bench --data ../shared/data/bench --suites denoise damage

The served workflow is measured by `python -m bench.serving`, on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from bench import damage, denoise, faces, harmless, holes, report, sheets, speed, upscale
from bench.statistics import write
from photorestore import pipeline

SUITES = ("denoise", "damage", "holes", "faces", "harmless", "speed", "sheets", "upscale")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/bench"), help="root of the pictures"
    )
    parser.add_argument("--suites", nargs="*", choices=SUITES, default=SUITES)
    parser.add_argument("--tier", default="fast")
    parser.add_argument("--every", type=int, default=1, help="take only each n-th picture: a quick look")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    loaded = pipeline.load(arguments.tier)
    for suite in arguments.suites:
        print(f"measuring {suite} ...", flush=True)
        if suite == "denoise":
            write("denoise", denoise.measure(arguments.data, tier=arguments.tier, every=arguments.every))
        elif suite == "damage":
            write("damage", damage.measure(arguments.data, loaded, every=arguments.every))
        elif suite == "holes":
            pictures = Path("bench/pictures/holes")
            write(
                "holes",
                holes.measure(arguments.data, loaded, every=holes.EVERY * arguments.every, pictures=pictures),
            )
        elif suite == "faces":
            write("faces", faces.measure(arguments.data, loaded, tier=arguments.tier, every=arguments.every))
        elif suite == "harmless":
            write("harmless", harmless.measure(arguments.data, loaded, every=arguments.every))
        elif suite == "speed":
            write("speed", speed.measure(loaded))
        elif suite == "upscale":
            write("upscale", upscale.measure(arguments.data, every=arguments.every))
        else:
            print("\n".join(map(str, sheets.write_old_photos(arguments.data, loaded))))
    report.write_all()


if __name__ == "__main__":
    main()
