"""Take the face detector's weights out of the package facenet-pytorch (MIT licence).

    pip download --no-deps facenet-pytorch==2.6.0
    python -m training.convert_face_detector facenet_pytorch-2.6.0-py3-none-any.whl

The package itself is not installed: it pins old versions of what the service uses. The weights are stored in 16 bits;
what that changes is measured on training faces and noted in the file.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import io
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from photorestore.networks.origin import Imported
from photorestore.networks.runner import Runner
from photorestore.networks.weights import save_network, weights_file
from photorestore.stages.face.detector import FaceDetector
from training.commit import commit_hash
from training.data import SUFFIXES, read_photo

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
    """Read every value, by its name in `FaceDetector`.

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


def evaluate(network: FaceDetector, folder: Path, every: int = 20) -> dict[str, float]:
    """Measure what is found on every `every`-th picture with a face, and what 16 bits change in it.

    Returns:
        found_percent: pictures in which a face is found.
        same_count_percent: pictures in which as many are found in 16 bits.
        shift_percent: how far 16 bits move the landmarks of the surest face on average, of the eye distance.
    """
    runner, in_16_bits = Runner(network), Runner(copy.deepcopy(network).half().float())
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)[::every]
    found, same, shifts = 0, 0, []
    for file in files:
        image = read_photo(file).float() / 255
        faces, others = runner(image), in_16_bits(image)
        found += bool(faces)
        same += len(faces) == len(others)
        if faces and others:
            points, again = (torch.tensor(answer[0].landmarks) for answer in (faces, others))
            shifts.append(float((points - again).norm(dim=1).mean()) / faces[0].eye_distance_px)
    return {
        "found_percent": 100 * found / len(files),
        "same_count_percent": 100 * same / len(files),
        "shift_percent": 100 * sum(shifts) / len(shifts),
        "pictures": len(files),
    }


def origin(wheel: Path, licence: str) -> Imported:
    """Return where the weights in a wheel come from, which gives them under a licence."""
    source, version = wheel.name.split("-")[:2]
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return Imported(source.replace("_", "-"), version, wheel.name, sha256, licence)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path)
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/train"), help="root of the pictures"
    )
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    arguments = parser.parse_args()
    network = FaceDetector().eval()
    network.load_state_dict(read_wheel(arguments.wheel))
    scores = evaluate(network, arguments.data / "domain/faces")
    print(scores)
    save_network(
        weights_file("face_detector", "fast", arguments.weights), network,
        architecture={},
        metadata={
            "origin": origin(arguments.wheel, "MIT").to_mapping(), "commit": commit_hash(), "metrics": scores,
            "data": "WIDER FACE, CelebA (by the authors of the cascade)", "licence": "MIT",
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
