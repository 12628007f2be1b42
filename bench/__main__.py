"""Measure the networks and the pipeline, and write RESULTS.md.

    make bench
    python -m bench --data ../shared/data/bench --suites denoise damage

The served workflow is measured by `python -m bench.serving` and throughput by `python -m bench.throughput`, on a
machine that does nothing else.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bench import (
    colorize,
    cost,
    damage,
    deconvolution,
    deep_prior,
    demosaic,
    denoise,
    faces,
    grey,
    harmless,
    holes,
    jpeg,
    methods,
    mixed,
    old,
    prints,
    real,
    real_noise,
    report,
    speed,
    surfaces,
    tone,
    unknown_blurs,
    untouched,
    upscale,
    weather,
)
from bench.statistics import write
from photorestore import pipeline
from photorestore.pipeline import Pipeline

Suite = Callable[[argparse.Namespace, Pipeline], dict[str, Any]]
"""What a suite gives is stored as bench/results/<suite>.json."""


def _holes(arguments: argparse.Namespace, loaded: Pipeline) -> dict[str, Any]:
    every, pictures = holes.EVERY * arguments.every, Path("bench/pictures/holes")
    return holes.measure(arguments.data, loaded, every=every, pictures=pictures)


def _alone(measure: Callable[..., dict[str, Any]]) -> Suite:
    """A suite of one network."""
    return lambda arguments, _: measure(arguments.data, tier=arguments.tier, every=arguments.every)


def _whole(measure: Callable[..., dict[str, Any]]) -> Suite:
    """A suite of the pipeline."""
    return lambda arguments, loaded: measure(arguments.data, loaded, every=arguments.every)


SUITES: dict[str, Suite] = {
    "denoise": _alone(denoise.measure),
    "grey": _alone(grey.measure),
    "real_noise": _alone(real_noise.measure),
    "jpeg": _alone(jpeg.measure),
    "surfaces": _alone(surfaces.measure),
    "methods": _alone(methods.measure),
    "deep_prior": _alone(deep_prior.measure),
    "deblur": _alone(deconvolution.measure),
    "deblur_unknown": _alone(unknown_blurs.measure),
    "colorize": _alone(colorize.measure),
    "demosaic": _alone(demosaic.measure),
    "damage": _whole(damage.measure),
    "holes": _holes,
    "mixed": _whole(mixed.measure),
    "tone": _whole(tone.measure),
    "faces": lambda arguments, loaded: faces.measure(
        arguments.data, loaded, tier=arguments.tier, every=arguments.every
    ),
    "prints": _whole(prints.measure),
    "real": _whole(real.measure),
    "old": _whole(old.measure),
    "untouched": lambda arguments, loaded: untouched.measure(loaded, every=arguments.every),
    "harmless": _whole(harmless.measure),
    "weather": _whole(weather.measure),
    "upscale": lambda arguments, _: upscale.measure(arguments.data, every=arguments.every),
    "cost": lambda *_: cost.measure(),
    "speed": lambda _, loaded: speed.measure(loaded),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/bench"), help="root of the pictures"
    )
    parser.add_argument("--suites", nargs="*", choices=list(SUITES), default=list(SUITES))
    parser.add_argument("--tier", default="fast")
    parser.add_argument("--every", type=int, default=1, help="take only each n-th picture: a quick look")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    loaded = pipeline.load(arguments.tier)
    for suite in arguments.suites:
        print(f"measuring {suite} ...", flush=True)
        start = time.perf_counter()
        write(suite, SUITES[suite](arguments, loaded))
        print(f"{time.perf_counter() - start:.0f} s", flush=True)
    report.write_all()


if __name__ == "__main__":
    main()
