"""Cost of the networks: parameters, multiply-accumulates, seconds per megapixel through the stages' tiler.

A megapixel of the upload: enlarging it twofold gives four. The face network's cost goes by faces and is not here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from bench import learned, machine
from bench.cost import gmacs_per_megapixel, network_of, parameters
from photorestore.networks.blocks import count_parameters
from photorestore.options import Options
from photorestore.pipeline import Pipeline
from photorestore.stages.base import run_stage
from photorestore.workspace import Workspace
from training.baselines import NETWORKS as BASELINES

SIZE_HW = (1024, 1536)
BASELINE_HW = (512, 768)
REPEATS = 3
RESTORING = ("denoise", "scratch", "translate")
SCALE = 2


def measure(pipeline: Pipeline) -> dict[str, Any]:
    """Take the best of `REPEATS` runs over a made picture of 1.57 megapixels that is noisy and scratched all over."""
    workspace = _damaged_workspace(pipeline)
    megapixels = SIZE_HW[0] * SIZE_HW[1] / 1e6
    stages: dict[str, dict[str, Any]] = {}
    for stage in pipeline.stages:
        seconds = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            run_stage(stage, [workspace])
            seconds.append(time.perf_counter() - start)
        if (network := network_of(stage)) is not None:
            stages[stage.name] = {
                "s_per_megapixel": round(min(seconds) / megapixels, 3),
                "note": workspace.envelope.trace[stage.name].note,
                "parameters": parameters(network),
                "gmacs_per_megapixel": round(gmacs_per_megapixel(network, stage.name), 1),
            }
    workspace.remove()
    total = sum(stages[name]["s_per_megapixel"] for name in RESTORING)
    return {
        "picture_hw": SIZE_HW,
        "threads": torch.get_num_threads(),
        "processor": machine.processor(),
        "stages": stages,
        "networks_s_per_megapixel": round(total, 3),
        "baselines": dict(_time_baselines()),
    }


@torch.inference_mode()
def _time_baselines() -> Iterator[tuple[str, dict[str, Any]]]:
    """The learned baselines, bare and whole, on a picture of `BASELINE_HW`; best of `REPEATS`."""
    for name in BASELINES:
        if loaded := learned.load(name):
            label, network = loaded
            inputs = (torch.rand(1, 1, *BASELINE_HW), *([2] if name == "srcnn" else []))
            seconds = []
            for _ in range(REPEATS):
                start = time.perf_counter()
                network(*inputs)
                seconds.append(time.perf_counter() - start)
            yield (
                label,
                {
                    "parameters": count_parameters(network),
                    "s_per_megapixel": round(min(seconds) / (BASELINE_HW[0] * BASELINE_HW[1] / 1e6), 3),
                },
            )


def _damaged_workspace(pipeline: Pipeline) -> Workspace:
    """Noise everywhere and long scratches through every tile, so that all networks work on all of it."""
    rng = np.random.default_rng(0)
    h, w = SIZE_HW
    y, x = np.mgrid[0:h, 0:w]
    picture = np.stack([128 + 80 * np.sin(x / 90 + y / (60 + 20 * channel)) for channel in range(3)])
    for left in range(40, w, 160):
        picture[:, :, left : left + 3] = 245
    picture = (picture + rng.normal(0, 20, picture.shape)).clip(0, 255).round().astype(np.uint8)
    options = Options(stages=RESTORING, scale=SCALE, format="jpeg", timeout_s=600)
    workspace = Workspace.create(pipeline.root, options)
    workspace.write_plane("image", picture)
    return workspace
