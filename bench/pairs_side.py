"""One side of `bench.pairs`: a process that runs cases of one build when it is told to.

It reads a line of JSON for each run, `{"case": ..., "times": ...}`, and answers with one, `{"wall": ..., "cpu": ...}`:
seconds for each time. Of the build only what seldom changes is used, so that older ones can be measured; of one that
has its networks elsewhere only whole pictures are.
"""

from __future__ import annotations

import functools
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from bench.machine import SHARED
from bench.service import EVERYTHING, PASSING, in_process, made_picture
from photorestore import pipeline
from photorestore.stages.base import StageConfig

if TYPE_CHECKING:
    from photorestore.networks.runner import Runner

SIDES = {".25 MP": (408, 612), "1 MP": (816, 1224)}
"""Height and width of the pictures."""
JUDGING = PASSING | {"stages": ["translate"], "strength": 0}
"""Asks for a stage that goes by the judgement, and leaves it nothing to do."""
RESTORING = PASSING | {"stages": ["denoise", "scratch", "translate"]}
"""Asks for what a noisy, scratched picture needs."""
SIDE_PX = 1024
"""Sides of what a network is given alone; a quarter as many pixels where it enlarges."""

Case = Callable[[], object]


def cases(loaded: pipeline.Pipeline) -> dict[str, Case]:
    """Return what can be run, by name."""
    found: dict[str, Case] = {}
    for size, sides in SIDES.items():
        picture = made_picture(*sides)
        found[f"passing {size}"] = functools.partial(in_process, loaded, [picture], PASSING)
        found[f"Pillow {size}"] = functools.partial(_recode, picture)
    large = [made_picture(*SIDES["1 MP"])]
    found["judged 1 MP"] = functools.partial(in_process, loaded, large, JUDGING)
    found["all networks 1 MP"] = functools.partial(in_process, loaded, large, EVERYTHING | {"scale": 2})
    found["three stages 1.5 MP"] = functools.partial(
        in_process, loaded, [made_picture(1024, 1536)], RESTORING
    )
    for name, network in _networks(loaded):
        given = INPUTS[name]()[: len(network.descriptor.inputs)]
        found[name] = functools.partial(network, *given)
        if name == "denoise":
            found[f"{name}, little noise"] = functools.partial(network, given[0], torch.tensor([4 / 255]))
        if name == "denoise_csf":
            grey = given[0][:, :1].expand(-1, 3, -1, -1)
            found[f"{name}, grey"] = functools.partial(network, grey, *given[1:])
    return found


def _recode(picture: bytes) -> None:
    """Decode and encode by Pillow alone: the least that a passing picture costs."""
    with Image.open(io.BytesIO(picture)) as image:
        image.save(io.BytesIO(), "JPEG", quality=95, subsampling="4:4:4")


def _networks(loaded: pipeline.Pipeline) -> Iterator[tuple[str, Runner[Any]]]:
    """Yield each network that works on pixels of any picture, by name."""
    try:
        from photorestore.stages.networked import NetworkStage
        from photorestore.stages.tiered import TieredStage
    except ImportError:  # a build from before stages had their networks by name
        return
    for stage in loaded.stages:
        configured = stage.configured if isinstance(stage, TieredStage) else stage
        if isinstance(configured, NetworkStage):
            for name, network in configured.networks.items():
                if name in INPUTS:
                    yield name, network


def _image(side_px: int = SIDE_PX) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.rand(1, 3, side_px, side_px, generator=rng)


def _scene() -> Tensor:
    """A map of what the picture shows, as the detectors are told it."""
    return torch.full((1, 64, SIDE_PX // 16, SIDE_PX // 16), 0.5)


def _scratches() -> Tensor:
    """Scratches of 5 px in every part: 3 % of the picture."""
    mask = torch.zeros(1, 1, SIDE_PX, SIDE_PX)
    for left in range(40, 45):
        mask[..., left::160] = 1
    return mask


INPUTS: dict[str, Callable[[], tuple[Any, ...]]] = {
    "denoise": lambda: (_image(), torch.tensor([20 / 255])),
    "denoise_csf": lambda: (_image(), torch.tensor([20 / 255])),
    "scratch": lambda: (_image(), _scene()),
    "scratch_print": lambda: (_image(), _scene()),
    "translate": lambda: (_image(), _scratches()),
    "translate_print": lambda: (_image(), _scratches()),
    "face": lambda: (_image(256),),
    "upscale": lambda: (_image(SIDE_PX // 2), 2),
    "upscale_real": lambda: (_image(SIDE_PX // 2), 2),
}
"""What a network is given alone, by name."""


def main() -> None:
    config = StageConfig(**json.loads(sys.argv[1]))
    with tempfile.TemporaryDirectory(dir=SHARED) as folder:
        known = cases(pipeline.load(config=config, root=Path(folder)))
        print(json.dumps(list(known)), flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            case, times = known[order["case"]], order["times"]
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(times):
                case()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            print(json.dumps({"wall": wall / times, "cpu": cpu / times}), flush=True)


if __name__ == "__main__":
    main()
