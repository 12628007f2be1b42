"""Average weights with those that they began with, half and half, so that less of what they knew is forgotten.

    python -m training.average weights/preprocess/preprocess_judge.fast.safetensors --with OLDER.safetensors

The first file is written anew. Weights between the two ends of a further training are often better than both (Wortsman
et al., 2022); held-out pictures must say so (`training.tune_judgement`, `training.tune_masks`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from photorestore.networks.engines import KEY
from photorestore.networks.weights import NETWORKS, build_network, read_metadata, save_network


def average(file: Path, other: Path) -> None:
    """Write `file` anew, as the mean of both; its metadata says so.

    Raises:
        BrokenArtifact: a file does not hold the weights that its metadata describes.
        RuntimeError: the two are of different architectures.
    """
    cls = NETWORKS[file.name.partition(".")[0]]
    network, older = build_network(cls, file), build_network(cls, other).state_dict()
    network.load_state_dict(
        {
            name: torch.lerp(value.float(), older[name].float(), 0.5)
            for name, value in network.state_dict().items()
        }
    )
    metadata = read_metadata(file)
    metadata["averaged_with"] = read_metadata(other)["commit"]
    metadata["metrics"] = {}  # those of the end of the training no longer hold
    metadata.pop(KEY, None)  # nor do ranges: `training.find_ranges` finds them anew
    architecture = metadata.pop("architecture")
    del metadata["format"]
    save_network(file, network, architecture=architecture, metadata=metadata)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--with", type=Path, required=True, dest="other")
    arguments = parser.parse_args()
    average(arguments.file, arguments.other)


if __name__ == "__main__":
    main()
