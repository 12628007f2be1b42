"""Find what a network needs to compute in 8 bits, see `networks.eight_bits`, and write it into its weights' metadata.

    python -m training.find_ranges denoise --data ../shared/data/train

Training patches run through the network as it is. Each convolution of its blocks gets the range of values that costs
the least squared error, which is often narrower than all that occurs. On other patches the loss against float32 is
measured, in bfloat16 and in 8 bits: dB of PSNR, of detectors the share of a mask. Those of `scratch_print` are measured
on held-out prints as well (`training.held_masks`); where these lose more than `MOST_LOST` nothing is written. To be run
again when a network has been trained.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from photorestore.fidelity import psnr
from photorestore.networks.descriptor import Network
from photorestore.networks.eight_bits import Ranges, is_supported
from photorestore.networks.engines import KEY, Recipe, by_recipe
from photorestore.networks.precision import BFLOAT16, FLOAT32
from photorestore.networks.runner import Runner
from photorestore.networks.weights import NETWORKS, build_network, read_metadata, save_network, weights_file
from training.data import hold_out, load_photos, random_patch
from training.held_masks import as_table, compare, held_prints
from training.range_examples import Example, Maker, damaged, damaged_print, noisy, small, with_holes

PATCHES, PATCH_PX = 24, 192
SAMPLED = 20_000
"""Values of each activation that a patch tells."""
ROUGHNESS = (0, 0.05, 0.15)
"""Standard deviations of what is added to patches that ranges are found on, as pictures may be rougher than these."""
SHARES = torch.linspace(0.25, 1, 31)
"""Of the greatest value: where ranges are tried to end."""
MOST_LOST = 0.02
"""Share of the masks of held-out prints that 8 bits may cost against float32."""
LEAST_255 = 7.0
"""Below this noise the denoiser loses more than .02 dB where its decoder is computed in 8 bits; by all else nothing."""


@dataclass(frozen=True, slots=True)
class Task:
    """How a network is shown patches.

    Attributes:
        maker: called with the folder of training data.
        levels: the degrees of difficulty that losses are measured at.
        least, delicate: see `engines.Recipe`.
        plain: blocks that stay as they are, since the channels of their input differ too much.
        loss: of a result, what comes in float32, and what should come.
    """

    maker: Callable[[Path], Maker]
    levels: tuple[float, ...] = (0.0,)
    least: Mapping[str, float] = field(default_factory=dict)
    delicate: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    loss: Callable[[Tensor, Tensor, Tensor], float] = lambda result, best, target: (
        psnr(best, target) - psnr(result, target)
    )


def _lost_overlap(logits: Tensor, best: Tensor, _target: Tensor) -> float:
    """Return what two masks lack to be the same: 1 - intersection over union."""
    either = ((logits > 0) | (best > 0)).sum()
    return 1 - float(((logits > 0) & (best > 0)).sum() / either) if either else 0.0


_DETECTOR = Task(damaged, plain=("encoders.0",), loss=_lost_overlap)
TASKS = {
    "denoise": Task(
        noisy, (1.0, 3.0, 5.0, 7.0, 10.0, 15.0, 25.0, 50.0), {"sigma": LEAST_255 / 255}, ("decoders",)
    ),
    "upscale": Task(small, (2.0, 4.0)),
    "upscale_real": Task(small, (2.0, 4.0)),
    "scratch": _DETECTOR,
    "scratch_print": replace(_DETECTOR, maker=damaged_print),
    "translate": Task(with_holes),
    "translate_print": Task(with_holes),
}


def find_ranges(
    network: nn.Module, examples: Iterable[Example], plain: Sequence[str] = ()
) -> dict[str, Ranges]:
    """Return the ranges of the network's blocks, by name; a block that is not used has none.

    Args:
        plain: see `Task`.
    """
    seen: dict[str, list[Tensor]] = defaultdict(list)
    rng = torch.Generator().manual_seed(0)

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def look(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            values = inputs[0].flatten().float()
            picked = torch.randint(len(values), (SAMPLED,), generator=rng)
            seen[name].append(torch.cat([values[picked], torch.stack(values.aminmax())]))

        return look

    blocks = {
        name: parts
        for name, module in network.named_modules()
        if name not in plain and (parts := _convolutions(module))
    }
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
            found[name] = Ranges(best_range(first, least, most), best_range(second, 0, 255), has_sign)
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
    parser.add_argument("--masks", type=Path, default=Path("runs/marks"), help="see training.marking")
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
    recipe = Recipe(find_ranges(network, rough, task.plain), task.least, task.delicate)
    tried = ((level, example(held, level)) for level in task.levels for _ in range(PATCHES // 2))
    quick = by_recipe(network, recipe)
    lost = losses(network, quick, tried, task)
    if arguments.network == "scratch_print":
        found = compare(held_prints(arguments.data, arguments.masks), network, quick)
        print(as_table(found))
        lost["prints"] = {way: round(1 - found[way].overlap, 4) for way in ("bfloat16", "eight_bits")}
        if lost["prints"]["eight_bits"] > MOST_LOST:
            parser.exit(1, f"{lost}: masks lose more than {MOST_LOST}, no ranges are written\n")
    print(lost)
    metadata = read_metadata(file) | {KEY: recipe.to_mapping() | {"losses": lost}}
    architecture = metadata.pop("architecture")
    del metadata["format"]
    save_network(file, network, architecture=architecture, metadata=metadata)


if __name__ == "__main__":
    main()
