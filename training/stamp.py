"""Add their name and their answer to the canary to weights that were saved before these were stored.

    python -m training.stamp [--weights weights]

The values stay as they are. Takes seconds; prints the files that were written. See `photorestore.networks.canary`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from photorestore.networks.weights import NETWORKS, build_network, read_metadata, save_network


def main() -> None:
    """Stamp all files of a folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--weights", type=Path, default=Path("weights"), help="the folder of the stages' folders"
    )
    for file in sorted(parser.parse_args().weights.glob("*/*.safetensors")):
        if stamp(file):
            print(file)


def stamp(file: Path) -> bool:
    """Stamp one file of a network that a stage runs; return False where it is stamped already.

    Raises:
        BrokenArtifact: it holds no weights, or not those that its metadata describes.
    """
    metadata = read_metadata(file)
    if "canary" in metadata:
        return False
    network = build_network(NETWORKS[file.name.partition(".")[0]], file)
    architecture = metadata.pop("architecture")
    save_network(file, network, architecture=architecture, metadata=metadata)
    return True


if __name__ == "__main__":
    main()
