"""Take the face detector's weights out of the package facenet-pytorch (MIT licence).

    pip download --no-deps facenet-pytorch==2.6.0
    python -m training.convert_face_detector facenet_pytorch-2.6.0-py3-none-any.whl

The package itself is not installed: it pins old versions of what the service uses.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from photorestore.networks.face_detector import FaceDetector
from photorestore.weights import save_network, weights_file
from training.run import commit_hash

SOURCES = {"proposal": "pnet", "refine": "rnet", "output": "onet"}
HEADS = {
    "pnet": {"conv4_1": "score", "conv4_2": "shift"},
    "rnet": {"dense4": "hidden.0", "prelu4": "hidden.1", "dense5_1": "score", "dense5_2": "shift"},
    "onet": {
        "dense5": "hidden.0", "prelu5": "hidden.1", "dense6_1": "score", "dense6_2": "shift",
        "dense6_3": "landmarks",
    },
}  # fmt: skip


def read_wheel(wheel: Path) -> dict[str, Tensor]:
    """Every value by its name in `FaceDetector`.

    Raises:
        KeyError: the wheel holds other weights.
    """
    network, values = FaceDetector(), {}
    with zipfile.ZipFile(wheel) as archive:
        for ours, theirs in SOURCES.items():
            data = archive.read(f"facenet_pytorch/data/{theirs}.pt")
            stored = torch.load(io.BytesIO(data), weights_only=True)
            layers = [
                f"features.{index}"
                for index, layer in enumerate(getattr(network, ours).features)
                if list(layer.parameters())
            ]
            names = [
                name
                for name in dict.fromkeys(key.split(".")[0] for key in stored)
                if name not in HEADS[theirs]
            ]
            renamed = HEADS[theirs] | dict(zip(names, layers, strict=True))
            for key, value in stored.items():
                layer, kind = key.split(".")
                values[f"{ours}.{renamed[layer]}.{kind}"] = value
    return values


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    arguments = parser.parse_args()
    network = FaceDetector()
    network.load_state_dict(read_wheel(arguments.wheel))
    save_network(
        weights_file("face_detector", "fast", arguments.weights), network,
        architecture={},
        metadata={
            "config": {"source": arguments.wheel.name,
                       "sha256": hashlib.sha256(arguments.wheel.read_bytes()).hexdigest()},
            "steps": 0, "seconds": 0, "device": "none", "seed": 0, "commit": commit_hash(), "metrics": {},
            "data": "WIDER FACE, CelebA (by the authors of the cascade)", "licence": "MIT",
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
