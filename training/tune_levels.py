"""What the limits of `denoise.levels` and the artefacts of `estimates` rest on; prints tables, changes nothing.

    python -m training.tune_levels --data ../shared/data/train

JPEGs are made from training photographs, shrunk so that they have no artefacts of their own; noise is put on the same
photographs; real camera noise is that of the training pairs. For each kind: the true level (standard deviation of what
is wrong), the estimated one, and what the denoiser gains over the picture as it is, told either of them, or nothing.
"""

from __future__ import annotations

import argparse
import io
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn

from photorestore.fidelity import psnr
from photorestore.networks.weights import load_network
from photorestore.stages.denoise.levels import MOST_ASSUMED_255, level_of
from photorestore.stages.preprocess.compression import COLOUR_ARTEFACTS, GREY_ARTEFACTS
from photorestore.stages.preprocess.estimates import estimate
from photorestore.stages.preprocess.findings import Estimates
from training.degradations.noise import film_grain
from training.degradations.surfaces import embossed, grain, woven_paper

Pixels = npt.NDArray[np.uint8]

FOLDERS = ("photos_a/hr", "photos_a/bsds400", "photos_b/osie", "photos_b/sunhays80")
PAIRS = "domain/polyu_pairs"
FITTED_QUALITIES = (8, 10, 15, 20, 30, 40, 60, 75, 85)
QUALITIES = (10, 25, 40, 75, 90)
SIGMAS_255 = (12, 25)
PEAKS = (60,)
GRAIN_255 = 15
GRAIN_PX = (0.5, 1.0)
SURFACE_255 = 14
WIDTHS_PX, PERIOD_PX = (2.0, 4.0), 6.0
FACTORS = (0.7, 0.85, 1.0, 1.15, 1.4)
"""The estimated level is also told multiplied by these."""
ASSUMED = (0.1, 8, 11, 14, 17, 22, 28)
CONSTANTS_255 = (3, 4, 5, 6, 8)


@dataclass(frozen=True, slots=True)
class Example:
    """A picture that has lost something, (H, W, 3), what it was, and what is estimated."""

    kind: str
    lq: Pixels
    gt: Pixels
    found: Estimates

    @property
    def true_255(self) -> float:
        """Standard deviation of the difference in 8-bit units."""
        return float(np.sqrt(np.square(self.lq - self.gt.astype(np.float32)).mean()))


def read_crops(data: Path, per_folder: int, side_px: int) -> list[Image.Image]:
    """The middle of some photographs of each folder, shrunk by half."""
    crops = []
    for name in FOLDERS:
        files = sorted(file for file in (data / name).rglob("*") if file.suffix.lower() in (".jpg", ".png"))
        for file in files[:: max(1, len(files) // per_folder)][:per_folder]:
            with Image.open(file) as picture:
                photo = picture.convert("RGB")
            left, top = ((side - 2 * side_px) // 2 for side in photo.size)
            if min(left, top) >= 0:
                photo = photo.crop((left, top, left + 2 * side_px, top + 2 * side_px))
                crops.append(photo.resize((side_px, side_px), Image.Resampling.BOX))
    return crops


def variants(photo: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """In grey and in colour."""
    yield from (("grey", photo.convert("L")), ("colour", photo))


def jpeg_example(kind: str, photo: Image.Image, quality: int) -> Example:
    """A photograph of mode `L` or `RGB` as a JPEG (4:2:0)."""
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=quality, **({"subsampling": 2} if photo.mode == "RGB" else {}))
    with Image.open(buffer) as stored:
        return _example(kind, _pixels(stored), _pixels(photo), stored.quantization[0])  # type: ignore[attr-defined]


def make_noisy(photos: Sequence[Image.Image]) -> Iterator[Example]:
    """Gaussian and photon noise and film grain, clipped and rounded."""
    rng = np.random.default_rng(1)
    for photo in photos:
        for colours, picture in variants(photo):
            gt = np.atleast_3d(np.asarray(picture)).astype(np.float32)
            noisy = {f"Gaussian {sigma}": gt + sigma * rng.standard_normal(gt.shape) for sigma in SIGMAS_255}
            noisy |= {f"Poisson {peak}": rng.poisson(gt / 255 * peak) / peak * 255 for peak in PEAKS}
            noisy |= {f"grain of {size} px": _with_grain(gt, size, rng) for size in GRAIN_PX}
            for kind, values in noisy.items():
                lq = np.repeat(values.clip(0, 255).round().astype(np.uint8), 3 // gt.shape[2], 2)
                yield _example(f"{kind}, {colours}", lq, _pixels(picture))


def make_surfaces(photos: Sequence[Image.Image]) -> Iterator[Example]:
    """Coarse grain and embossed paper in 8 bits, as in pictures that were judged noisy."""
    rng = torch.Generator().manual_seed(2)
    for photo in photos:
        for colours, picture in variants(photo):
            gt = torch.from_numpy(_pixels(picture).copy()).permute(2, 0, 1) / 255
            paper = woven_paper(gt.shape[-2:], PERIOD_PX, rng)
            drawn = {f"grain {size} px": grain(gt, SURFACE_255 / 255, size, rng) for size in WIDTHS_PX}
            drawn["woven paper"] = embossed(gt, SURFACE_255 / 255, paper, rng)
            for kind, image in drawn.items():
                lq = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
                example = _example(f"{kind}, {colours}", lq, _pixels(picture))
                yield replace(example, found=replace(example.found, noisy=True))


def _with_grain(
    gt: npt.NDArray[np.float32], size_px: float, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """(H, W, C) of 0 to 255 under grain of `GRAIN_255`."""
    draw = torch.Generator().manual_seed(int(rng.integers(2**31)))
    image = torch.from_numpy(gt).permute(2, 0, 1) / 255
    return film_grain(image, GRAIN_255 / 255, size_px, draw).permute(1, 2, 0).numpy() * 255


def read_pairs(data: Path, every: int, side_px: int) -> Iterator[Example]:
    """The middle of real noisy pictures."""
    for file in sorted((data / PAIRS).glob("*_real.*"))[::every]:
        with Image.open(file) as picture:
            lq, table = _pixels(picture), picture.quantization[0]  # type: ignore[attr-defined]
        with Image.open(file.with_name(file.name.replace("_real", "_mean"))) as picture:
            gt = _pixels(picture)
        top, left = ((side - side_px) // 2 for side in lq.shape[:2])
        window = (slice(top, top + side_px), slice(left, left + side_px))
        yield _example("real", lq[window], gt[window], table)


def _pixels(picture: Image.Image) -> Pixels:
    return np.asarray(picture.convert("RGB"))


def _example(kind: str, lq: Pixels, gt: Pixels, table: Sequence[int] | None = None) -> Example:
    return Example(kind, lq, gt, estimate(np.ascontiguousarray(lq.transpose(2, 0, 1)), table))


def print_artefacts(photos: Sequence[Image.Image]) -> None:
    """What `grey_artefacts` and `colour_artefacts` ought to be, by quality, and how far single pictures are off."""
    print("quality  grey            colour")
    for quality in FITTED_QUALITIES:
        cells = []
        for colours, used in (("grey", GREY_ARTEFACTS), ("colour", COLOUR_ARTEFACTS)):
            examples = [jpeg_example(colours, dict(variants(photo))[colours], quality) for photo in photos]
            ratios = [
                math.log(used * example.true_255 / max(example.found.artefacts_255, 0.01))
                for example in examples
                if example.true_255 > 0
            ]
            cells.append(f"{math.exp(np.median(ratios)):.3f} +- {100 * np.std(ratios):.0f} %")
        print(f"{quality:7d}  " + "   ".join(cells), flush=True)


class Gains:
    """What the denoiser gains on one example, by the level that it is told."""

    def __init__(self, network: nn.Module, example: Example) -> None:
        self.network, self.example = network, example
        self.lq, self.gt = (
            torch.from_numpy(a).permute(2, 0, 1) / 255 for a in (example.lq.copy(), example.gt.copy())
        )

    @torch.inference_mode()
    def told(self, sigma_255: float | None) -> float:
        """PSNR of the result less that of the picture, in dB."""
        image = self.lq[None].contiguous(memory_format=torch.channels_last)
        level = None if sigma_255 is None else torch.tensor([sigma_255 / 255])
        with torch.autocast("cpu", torch.bfloat16):
            pred = self.network(image, level)[0].clamp(0, 1)
        return psnr(pred, self.gt) - psnr(self.lq, self.gt)


def print_gains(network: nn.Module, examples: Sequence[Example]) -> None:
    """Told nothing, the truth, the estimate, and multiples of it."""
    print(
        f"kind  n  true  estimated  |  gain in dB: blind, true, estimated times {', '.join(map(str, FACTORS))}"
    )
    for kind, chosen in _by_kind(examples).items():
        estimated = [level_of(example.found).sigma_255 for example in chosen]
        rows = []
        for example, sigma_255 in zip(chosen, estimated, strict=True):
            gains = Gains(network, example)
            levels = (None, example.true_255, *(factor * sigma_255 for factor in FACTORS))
            rows.append([gains.told(level) for level in levels])
        truth = np.mean([example.true_255 for example in chosen])
        means = "  ".join(f"{mean:5.2f}" for mean in np.mean(rows, 0))
        print(f"{kind:20s}  {len(chosen)}  {truth:5.2f}  {np.mean(estimated):5.2f}  |  {means}", flush=True)


def print_assumed(network: nn.Module, examples: Sequence[Example]) -> None:
    """What `ASSUMED` does where little is found, and what a constant would do."""
    print(f"kind  |  gain in dB with ASSUMED {', '.join(map(str, ASSUMED))}  |  at least {CONSTANTS_255}")
    for kind, chosen in _by_kind(examples).items():
        rows = []
        for example in chosen:
            gains = Gains(network, example)
            found_255 = math.hypot(example.found.sigma_255, example.found.artefacts_255 or 0)
            root = math.sqrt(max(example.found.gradient_255, 1e-6))
            least = [min(MOST_ASSUMED_255, factor / root) for factor in ASSUMED] + [*CONSTANTS_255]
            rows.append([gains.told(max(level, found_255)) for level in least])
        print(f"{kind:20s}  |  " + "  ".join(f"{mean:5.2f}" for mean in np.mean(rows, 0)), flush=True)


def _by_kind(examples: Sequence[Example]) -> dict[str, list[Example]]:
    kinds: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        kinds[example.kind].append(example)
    return kinds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/train"))
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--per-folder", type=int, default=8, help="photographs of each folder")
    parser.add_argument("--side-px", type=int, default=160)
    arguments = parser.parse_args()
    photos = read_crops(arguments.data, arguments.per_folder, arguments.side_px)
    network = load_network("denoise", root=arguments.weights).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    print(f"{len(photos)} photographs")
    print_artefacts(photos)
    jpegs = [
        jpeg_example(f"JPEG {quality}, {colours}", picture, quality)
        for quality in QUALITIES
        for photo in photos
        for colours, picture in variants(photo)
    ]
    pairs = list(read_pairs(arguments.data, 2, arguments.side_px))
    print_gains(network, pairs + jpegs + [*make_noisy(photos), *make_surfaces(photos)])
    print_assumed(
        network, pairs + [example for example in jpegs if example.kind.startswith(("JPEG 75", "JPEG 90"))]
    )


if __name__ == "__main__":
    main()
