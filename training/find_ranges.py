"""Find what a network needs to compute in 8 bits, see `networks.eight_bits`, and write it into its weights' metadata.

    python -m training.find_ranges denoise --data ../shared/data/train

Training patches run through the network as it is. Each convolution of its blocks gets the range of values that costs
the least squared error, which is often narrower than all that occurs. On other patches the loss against float32 is
measured, in bfloat16 and in 8 bits: dB of PSNR, of detectors the share of a mask. To be run again when a network has
been trained.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.fidelity import psnr
from photorestore.networks.descriptor import Network
from photorestore.networks.eight_bits import Ranges, is_supported
from photorestore.networks.engines import KEY, Recipe, quickened
from photorestore.networks.precision import BFLOAT16, FLOAT32
from photorestore.networks.runner import Runner, load_runner
from photorestore.networks.weights import NETWORKS, build_network, read_metadata, save_network, weights_file
from photorestore.stages.preprocess.scene import TRUNK, features_of
from photorestore.stages.preprocess.scene_network import SCENE, spread, view_of
from training.data import hold_out, load_photos, random_patch
from training.degradations.damage import damage_moderately
from training.degradations.sources import load_damage_sources

PATCHES, PATCH_PX = 24, 192
SAMPLED = 20_000
"""Values of each activation that a patch tells."""
ROUGHNESS = (0, 0.05, 0.15)
"""Standard deviations of what is added to patches that ranges are found on, as pictures may be rougher than these."""
SCENE_STRIDE = 16
"""Of what detectors are told of the scene."""
SHARES = torch.linspace(0.25, 1, 31)
"""Of the greatest value: where ranges are tried to end."""
LEAST_255 = 7.0
"""Below this noise the denoiser loses more than .02 dB by 8 bits."""

Example = tuple[Tensor, tuple[Any, ...]]
"""What should come out, and what is put in."""
Maker = Callable[[Tensor, float, torch.Generator], Example]
"""Makes an example of a patch (1, 3, H, W) and a degree of difficulty."""


@dataclass(frozen=True, slots=True)
class Task:
    """How a network is shown patches.

    Attributes:
        maker: called with the folder of training data.
        levels: the degrees of difficulty that losses are measured at.
        least: see `engines.Recipe`.
        gentle: blocks whose first convolution stays in 16 bits, since its channels differ too much.
        loss: of a result, what comes in float32, and what should come.
    """

    maker: Callable[[Path], Maker]
    levels: tuple[float, ...] = (0.0,)
    least: Mapping[str, float] = field(default_factory=dict)
    gentle: tuple[str, ...] = ()
    loss: Callable[[Tensor, Tensor, Tensor], float] = lambda result, best, target: (
        psnr(best, target) - psnr(result, target)
    )


def _noisy(_data: Path) -> Maker:
    def make(patch: Tensor, level_255: float, rng: torch.Generator) -> Example:
        noise = torch.randn(patch.shape, generator=rng) * level_255 / 255
        return patch, (patch + noise, torch.tensor([level_255 / 255]))

    return make


def _small(_data: Path) -> Maker:
    def make(patch: Tensor, scale: float, _rng: torch.Generator) -> Example:
        small = F.interpolate(patch, scale_factor=1 / scale, mode="bicubic", antialias=True)
        return patch, (small.clamp(0, 1), int(scale))

    return make


def _damaged(data: Path) -> Maker:
    sources, trunk = load_damage_sources(data, held_out=False, validation=True), load_runner(TRUNK)
    head = load_runner("scratch").part(SCENE)

    def make(patch: Tensor, _level: float, rng: torch.Generator) -> Example:
        lq, _, mask = damage_moderately(patch[0].clamp(0, 1), sources, rng)
        shown, (h, w) = head(features_of(trunk, view_of(lq[None]))), lq.shape[1:]
        return mask[None].float(), (lq[None], spread(shown, h, w, SCENE_STRIDE))

    return make


def _with_holes(data: Path) -> Maker:
    sources = load_damage_sources(data, held_out=False, validation=True)

    def make(patch: Tensor, _level: float, rng: torch.Generator) -> Example:
        lq, _, mask = damage_moderately(patch[0].clamp(0, 1), sources, rng)
        return patch, (lq[None], F.max_pool2d(mask[None].float(), 5, 1, 2))

    return make


def _lost_overlap(logits: Tensor, best: Tensor, _target: Tensor) -> float:
    """Return what two masks lack to be the same: 1 - intersection over union."""
    either = ((logits > 0) | (best > 0)).sum()
    return 1 - float(((logits > 0) & (best > 0)).sum() / either) if either else 0.0


_DETECTOR = Task(_damaged, gentle=("encoders.0", "decoders.0", "decoders.2"), loss=_lost_overlap)
TASKS = {
    "denoise": Task(_noisy, (3.0, 5.0, 7.0, 10.0, 15.0, 25.0, 50.0), {"sigma": LEAST_255 / 255}),
    "upscale": Task(_small, (2.0, 4.0)),
    "upscale_real": Task(_small, (2.0, 4.0)),
    "scratch": _DETECTOR,
    "scratch_print": _DETECTOR,
    "translate": Task(_with_holes),
    "translate_print": Task(_with_holes),
}


def find_ranges(
    network: nn.Module, examples: Iterable[Example], gentle: Sequence[str] = ()
) -> dict[str, Ranges]:
    """Return the ranges of the network's blocks, by name; a block that is not used has none.

    Args:
        gentle: see `Task`.
    """
    seen: dict[str, list[Tensor]] = defaultdict(list)
    rng = torch.Generator().manual_seed(0)

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def look(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            values = inputs[0].flatten().float()
            picked = torch.randint(len(values), (SAMPLED,), generator=rng)
            seen[name].append(torch.cat([values[picked], torch.stack(values.aminmax())]))

        return look

    blocks = {name: parts for name, module in network.named_modules() if (parts := _convolutions(module))}
    hooks = [
        part.register_forward_pre_hook(watch(f"{name}.{index}"))
        for name, parts in blocks.items()
        for index, part in enumerate(parts)
    ]
    for _, inputs in examples:
        _runner(network, BFLOAT16)(*inputs)
    for hook in hooks:
        hook.remove()
    found = {}
    for name in blocks:
        if f"{name}.0" in seen:
            first, second = (torch.cat(seen[f"{name}.{index}"]) for index in (0, 1))
            has_sign = bool(first.min() < 0)
            least, most = (-127, 127) if has_sign else (0, 255)
            before = None if name in gentle else best_range(first, least, most)
            found[name] = Ranges(before, best_range(second, 0, 255), has_sign)
    return found


def best_range(values: Tensor, least: int, most: int) -> float:
    """Return the value that the number `most` should stand for, so that rounded values are the least wrong."""
    top = values.abs().amax()
    if top == 0:
        return 0.0
    errors = [
        float((((values / scale).round().clamp(least, most) * scale) - values).square().mean())
        for scale in (top * share / most for share in SHARES)
    ]
    return float(top * SHARES[errors.index(min(errors))])


def losses(
    network: nn.Module, quick: nn.Module, examples: Iterable[tuple[float, Example]], task: Task
) -> dict[str, dict[str, float]]:
    """Return by level the mean loss against float32, in bfloat16 and in 8 bits."""
    found: dict[float, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for level, (target, inputs) in examples:
        best = _runner(network, FLOAT32)(*inputs)
        for way, tried in (("bfloat16", network), ("eight_bits", quick)):
            result = _runner(tried, BFLOAT16)(*inputs)
            found[level][way].append(task.loss(result, best, target))
    return {
        f"{level:g}": {way: round(sum(each) / len(each), 4) for way, each in by_way.items()}
        for level, by_way in found.items()
    }


def _runner(network: nn.Module, precision: str) -> Runner[Tensor]:
    assert isinstance(network, Network)
    return Runner(network, precision=precision)


def _convolutions(module: nn.Module) -> list[nn.Module]:
    """Return the two convolutions of a block, see `eight_bits.SkipBlock` and `Pair`; nothing for other modules."""
    if isinstance(module, nn.Sequential) and len(module) == 6 and isinstance(module[1], nn.BatchNorm2d):
        return [module[0], module[3]]
    parts = [getattr(module, name, None) for name in ("first", "second")]
    return [part for part in parts if isinstance(part, nn.Conv2d)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", choices=TASKS)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    if not is_supported():
        parser.error("this processor does not multiply in 8 bits (VNNI)")
    task, file = TASKS[arguments.network], weights_file(arguments.network, "fast")
    make = task.maker(arguments.data)
    network = build_network(NETWORKS[arguments.network], file)
    held, (shown,) = hold_out(
        [load_photos([arguments.data / "photos_a"], min_side_px=PATCH_PX, limit=400)], 8
    )
    rng = torch.Generator().manual_seed(1)
    told = [level for level in task.levels if level / 255 >= task.least.get("sigma", 0)]

    def example(photos: list[Tensor], level: float, roughness: float = 0) -> Example:
        patch = random_patch(photos, PATCH_PX, rng)[None]
        return make(patch + roughness * torch.randn(patch.shape, generator=rng), level, rng)

    rough = ((example(shown, told[n % len(told)], ROUGHNESS[n // len(told) % 3])) for n in range(PATCHES))
    ranges = find_ranges(network, rough, task.gentle)
    tried = ((level, example(held, level)) for level in task.levels for _ in range(PATCHES // 2))
    lost = losses(network, quickened(network, Recipe(ranges)), tried, task)
    print(lost)
    metadata = read_metadata(file) | {KEY: Recipe(ranges, task.least).to_mapping() | {"losses": lost}}
    architecture = metadata.pop("architecture")
    del metadata["format"]
    save_network(file, network, architecture=architecture, metadata=metadata)


if __name__ == "__main__":
    main()
