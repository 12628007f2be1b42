"""Throughput of the pipeline's networks: megapixels per second through the stages' tiler and batcher.

    python -m bench.throughput                                  # this processor
    python -m bench.throughput --device cuda --compile          # a GPU; also with compiled networks, to compare
    python -m bench.throughput --device cuda --compile reduce-overhead      # also as captured CUDA graphs
    python -m bench.throughput --megapixels 0.25 --batches 1 4  # a quick look

Run it on a machine that does nothing else. Every cell is one batch of made photographs of mixed sizes: noisy and
scratched all over, so that every network stage works on every tile. Their pixels wait in workspaces, as in the
service; decoding and encoding are not part of it. Pictures above 4 megapixels go one by one, as in the service.

`share_of_networks` is the time that the networks' forward passes alone take, on tiles of the same shapes and as many
of them, as a share of the whole: what is missing to 1 is reading, cutting, joining and writing. `peak_mb` is the most
memory that the device's allocator had handed out on a GPU, and the most resident memory of the process on a CPU.

The result is entered in bench/results/throughput.json under the device's name; other devices' figures stay.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bench import machine
from bench.cost import network_of
from bench.replay import Recorder, recorded
from bench.sound import SOUND
from bench.statistics import RESULTS, write
from photorestore import pipeline
from photorestore.networks.precision import AUTO, BFLOAT16
from photorestore.networks.runner import Runner
from photorestore.options import SELECTABLE_STAGES, Options
from photorestore.pipeline import Pipeline
from photorestore.stages.base import StageConfig, run_stage
from photorestore.stages.tiered import TieredStage
from photorestore.workspace import Workspace

MEGAPIXELS = (0.25, 1.0, 12.0)
BATCHES = (1, 4, 8, 16)
ASPECTS = (1.5, 1.0, 0.75, 1.33)
"""Width by height, in turn; sizes vary by a fifth around the wanted one, but their sum is kept."""
SPREAD = (1.0, 0.8, 1.2, 0.9, 1.1)
STAGES = tuple(stage for stage in SELECTABLE_STAGES if stage not in ("deblur", "weather", "face"))
"""What works on every pixel of every picture."""
FORMS = ("eager", "compiled")
"""How the networks ran."""
COMPILE_MODES = ("default", "reduce-overhead")
OPTIONS = Options(stages=STAGES, timeout_s=600)
FOUND = replace(SOUND, region=(0, 0, 1, 1), sigma_255=20.0, noisy=True, kind="print")


def measure(loaded: Pipeline, *, megapixels: Sequence[float], batches: Sequence[int]) -> list[dict[str, Any]]:
    """Return one row for every size and batch; each cell is run once to warm up and then timed once."""
    rows = []
    for size in megapixels:
        for batch in batches:
            row = _measure_cell(loaded, sizes_hw(size, batch))
            rows.append({"megapixels": size, "batch": batch} | row)
            print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    return rows


def sizes_hw(megapixels: float, batch: int) -> list[tuple[int, int]]:
    """Return the sizes of a batch of photographs, (height, width); the same at every run."""
    areas = np.array([1e6 * megapixels * SPREAD[index % len(SPREAD)] for index in range(batch)])
    areas *= 1e6 * megapixels * batch / areas.sum()
    aspects = [ASPECTS[index % len(ASPECTS)] for index in range(batch)]
    return [
        (round((area / aspect) ** 0.5), round((area * aspect) ** 0.5))
        for area, aspect in zip(areas, aspects, strict=True)
    ]


def made_photo(h: int, w: int, seed: int) -> np.ndarray:
    """Make waves under noise with long scratches, uint8 (3, h, w): work for every network in every tile."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    photo = np.stack([128 + 80 * np.sin(x / 90 + y / (60 + 20 * channel)) for channel in range(3)])
    for left in range(40, w, 160):
        photo[:, :, left : left + 3] = 245
    noise = 20 * rng.standard_normal(photo.shape, np.float32)
    return (photo + noise).clip(0, 255).round().astype(np.uint8)


def _measure_cell(loaded: Pipeline, sizes: Sequence[tuple[int, int]]) -> dict[str, Any]:
    photos = [made_photo(h, w, seed) for seed, (h, w) in enumerate(sizes)]
    with _workspaces(photos, loaded) as warm_up:
        recorders = {stage.name: (stage, recorder) for stage, recorder in _run_recorded(loaded, warm_up)}
    device = next(_network(stage).device for stage, _ in recorders.values())
    with _workspaces(photos, loaded) as batch:
        machine.reset_peak(device)
        start = time.perf_counter()
        for stage in loaded.stages:
            run_stage(stage, batch)
        machine.wait(device)
        seconds = time.perf_counter() - start
        peak_mb = machine.peak_mb(device)
        _check(batch)
    alone = {name: recorder.replay(_network(stage)) for name, (stage, recorder) in recorders.items()}
    total = sum(h * w for h, w in sizes) / 1e6
    return {
        "megapixels_per_s": round(total / seconds, 3),
        "seconds": round(seconds, 3),
        "share_of_networks": round(sum(alone.values()) / seconds, 3),
        "networks_s": {name: round(value, 3) for name, value in alone.items()},
        "peak_mb": round(peak_mb),
    }


def _run_recorded(loaded: Pipeline, batch: Sequence[Workspace]) -> Iterator[tuple[TieredStage, Recorder]]:
    """Run the pipeline, noting what each network was called with."""
    for stage in loaded.stages:
        if isinstance(stage, TieredStage):
            with recorded(_network(stage)) as recorder:
                run_stage(stage, batch)
            yield stage, recorder
        else:
            run_stage(stage, batch)


def _network(stage: TieredStage) -> Runner[Any]:
    network = network_of(stage)
    assert network is not None
    return network


@contextmanager
def _workspaces(photos: Sequence[np.ndarray], loaded: Pipeline) -> Iterator[list[Workspace]]:
    """Requests whose pictures are decoded and whose estimates are made."""
    batch = []
    try:
        for photo in photos:
            batch.append(Workspace.create(loaded.root, OPTIONS))
            batch[-1].write_plane("image", photo)
            batch[-1].envelope.current = "image"
            batch[-1].envelope.estimates["preprocess"] = FOUND
        yield batch
    finally:
        for workspace in batch:
            workspace.remove()


def _check(batch: Sequence[Workspace]) -> None:
    """Make sure that every stage worked: one that failed or passed would make the figures too good.

    Raises:
        RuntimeError: one did.
    """
    for workspace in batch:
        trace = workspace.envelope.trace
        idle = [name for name in STAGES if name not in trace or trace[name].outcome != "ran"]
        if workspace.envelope.problem or idle:
            raise RuntimeError(f"{idle} did not work: {workspace.envelope.problem or trace}")


def load(arguments: argparse.Namespace, root: Path, mode: str | None = None) -> Pipeline:
    """Load the stages with a network, each compiled in a mode of `torch.compile` or, for None, as it is."""
    precision = BFLOAT16 if mode else AUTO  # what is computed in 8 bits is not compiled
    config = StageConfig(precision=precision, tile_px=arguments.tile_px, tile_batch=arguments.tile_batch)
    loaded = pipeline.load(arguments.tier, arguments.device, stages=STAGES, config=config, root=root)
    if mode:
        torch._dynamo.config.recompile_limit = 256  # noqa: SLF001 - every shape of a tile is a graph of its own
        for stage in loaded.stages:
            if isinstance(stage, TieredStage):
                network = _network(stage).network
                assert isinstance(network, nn.Module)
                network.forward = torch.compile(network.forward, dynamic=False, mode=mode)
    return loaded


def with_cells_before(before: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was measured now, and cells of an earlier run with the same settings that were left out now."""
    if any(before.get(key) != value for key, value in result.items() if key not in FORMS):
        return dict(result)
    cells = {
        form: {
            (row["megapixels"], row["batch"]): row for row in [*before.get(form, []), *result.get(form, [])]
        }
        for form in FORMS
        if form in before or form in result
    }
    return {**result, **{form: [rows[key] for key in sorted(rows)] for form, rows in cells.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ...")
    parser.add_argument("--tier", default="fast")
    parser.add_argument(
        "--compile",
        nargs="?",
        choices=COMPILE_MODES,
        const=COMPILE_MODES[0],
        help="measure compiled networks, too; reduce-overhead also captures CUDA graphs",
    )
    parser.add_argument("--megapixels", nargs="*", type=float, default=MEGAPIXELS)
    parser.add_argument("--batches", nargs="*", type=int, default=BATCHES)
    parser.add_argument("--tile-px", type=int, default=1024)
    parser.add_argument("--tile-batch", type=int, default=1, help="tiles per forward pass")
    parser.add_argument("--root", type=Path, help="where workspaces are made; by default where there is room")
    arguments = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    cells = {"megapixels": arguments.megapixels, "batches": arguments.batches}
    with tempfile.TemporaryDirectory(dir=arguments.root or machine.roomy_folder()) as folder:
        result = {
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "tier": arguments.tier,
            "tile_px": arguments.tile_px,
            "tile_batch": arguments.tile_batch,
            "eager": measure(load(arguments, Path(folder)), **cells),
        }
        if arguments.compile:
            result["compiled"] = measure(load(arguments, Path(folder), arguments.compile), **cells)
    file = RESULTS / "throughput.json"
    devices = json.loads(file.read_text())["devices"] if file.exists() else {}
    name = f"{machine.name(arguments.device)}, {arguments.tier}"
    devices[name] = with_cells_before(devices.get(name, {}), result)
    write("throughput", {"stages": STAGES, "devices": devices})


if __name__ == "__main__":
    main()
