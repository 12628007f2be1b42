"""The damage set: bench photographs under damage that no training has seen, the same at every run.

    python -m bench.damage_set --data ../shared/data --pictures /tmp/damage   # look at it

Photographs: Set14 and BSD100, whole (114 pictures). Damage: stamps whose file's sha256 is 0 modulo 5 and the two label
maps `HELD_OUT_SCANS`, with procedural strokes beside them, laid over each picture by
`training.degradations.damage.damage_moderately` from these ranges (`MODERATE_RECIPE`):

| what | range |
|---|---|
| layers a picture | 1 to 3 |
| a layer | stamps of a kind 42 %, a crop of a label map 20 %, strokes 33 %, a faint stain 5 % |
| fold beside them | in 8 % of the pictures |
| opacity of a layer | .8 to 1 over most of a defect's width, less at its rim |
| worn off in places | 10 % of the layers |
| polarity of a layer | 60 % near white (.7 to 1), 25 % near black (0 to .25), 15 % colour of paper (.75 to 1) |
| how it covers | painted 50 %; lighten or darken 25 %, screen or multiply 25 %, as its polarity asks |
| scale of a stamp | .3 to 1.2 times its 256 px; blobs a quarter of that, dense kinds as they are |
| scale of a label map | its half size shrunk 1 to 4 times |
| damaged share | .5 to 6 % of the pixels; other draws are drawn anew |

Ground truth is where alpha, in 8 bits, is above .1. Pixels that damage changes by less than 20/255 in every channel
count as undamaged and are left as they were. `lq` has 8 bits and no noise.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bench.pictures import read_pixels, set_files, write_beside
from training.degradations.damage import damage_moderately
from training.degradations.sources import DamageSources, load_damage_sources

SEED = 20
FOLDERS = ("Set14", "BSD100/cbsd68", "BSD100/rest32")


@dataclass(frozen=True, slots=True)
class DamagedPicture:
    """One picture of the set.

    Attributes:
        name: set and file, `Set14/baboon.png`.
        gt: the photograph, uint8 (3, H, W).
        lq: the same under damage, uint8 (3, H, W); equals `gt` where `alpha` is 0.
        alpha: how strongly each pixel was overwritten, uint8 (1, H, W), 255 = wholly.
        mask: bool (1, H, W), true where `alpha` / 255 is above .1.
    """

    name: str
    gt: Tensor
    lq: Tensor
    alpha: Tensor
    mask: Tensor


def load_damage_set(data_root: Path, *, limit: int | None = None) -> list[DamagedPicture]:
    """Make the set; some seconds.

    Args:
        data_root: the folder that holds `train/` and `bench/`.
        limit: only this many pictures, spread evenly over the set; they are the same as in the whole set.

    Raises:
        FileNotFoundError: photographs or damage are missing.
    """
    sources = load_damage_sources(data_root / "train", held_out=True)
    files = [file for name in FOLDERS for file in set_files(data_root / "bench", name)]
    step = 1 if limit is None else max(1, len(files) // limit)
    chosen = list(enumerate(files))[::step][:limit]
    return [_damaged(file, sources, data_root / "bench", SEED + 1000 * index) for index, file in chosen]


def pixel_sha256(pictures: Sequence[DamagedPicture]) -> str:
    """Hash of all damaged pictures and masks, in their order; equal for equal pixels."""
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(picture.lq.numpy().tobytes())
        digest.update(picture.mask.numpy().tobytes())
    return digest.hexdigest()


def _damaged(file: Path, sources: DamageSources, bench: Path, seed: int) -> DamagedPicture:
    rng = torch.Generator().manual_seed(seed)
    gt = torch.from_numpy(read_pixels(file).copy()).permute(2, 0, 1).contiguous()
    lq, alpha, mask = damage_moderately(gt.float() / 255, sources, rng)
    return DamagedPicture(str(file.relative_to(bench)), gt, _to_u8(lq), _to_u8(alpha), mask)


def _to_u8(values: Tensor) -> Tensor:
    return (values * 255).round().byte()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="holds train/ and bench/")
    parser.add_argument("--pictures", type=Path, help="write lq beside mask here, as PNG")
    parser.add_argument("--limit", type=int)
    arguments = parser.parse_args()
    pictures = load_damage_set(arguments.data, limit=arguments.limit)
    if arguments.pictures:
        for picture in pictures:
            lq, mask = picture.lq.permute(1, 2, 0).numpy(), picture.mask[0].numpy()
            write_beside(arguments.pictures, picture.name, lq, mask)
    share = sum(float(picture.mask.float().mean()) for picture in pictures) / len(pictures)
    print(f"{len(pictures)} pictures, {100 * share:.2f} % damaged, sha256 {pixel_sha256(pictures)}")


if __name__ == "__main__":
    main()
