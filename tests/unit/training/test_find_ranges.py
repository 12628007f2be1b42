"""Ranges for computing in 8 bits are those of what a network's blocks are given."""

import pytest
import torch
from torch import Tensor, nn

from photorestore.networks.eight_bits import is_supported
from photorestore.networks.engines import Recipe, quickened
from photorestore.stages.denoise.network import DenoiseUNet
from photorestore.stages.scratch.network import ScratchUNet
from photorestore.stages.translate.network import Translator
from training.find_ranges import TASKS, best_range, find_ranges, losses
from training.range_examples import Example

RNG = torch.Generator().manual_seed(0)


def noisy(level: float) -> Example:
    patch = torch.rand(1, 3, 32, 32, generator=RNG)
    return patch, (patch + level / 255 * torch.randn(patch.shape, generator=RNG), torch.tensor([level / 255]))


def learned(network: nn.Module) -> nn.Module:
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize(("outlier", "at_most"), [(1.0, 1.0), (3.0, 2.9)])
def test_a_range_cuts_off_what_is_rare_and_far(outlier: float, at_most: float) -> None:
    values = torch.cat([torch.linspace(-1, 1, 20_000), torch.tensor([outlier])])
    assert 0.25 * outlier <= best_range(values, -127, 127) <= at_most


def test_what_is_always_0_has_a_range_of_0() -> None:
    assert best_range(torch.zeros(10), 0, 255) == 0


def test_each_block_gets_the_ranges_of_its_convolutions() -> None:
    network = learned(DenoiseUNet((8, 16), (1, 1)))
    seen: list[Tensor] = []
    network.get_submodule("body.0.second").register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    ranges = find_ranges(network, [noisy(25)])
    assert set(ranges) == {"body.0", "encoders.0.0", "decoders.0.0"}
    assert 0.25 * float(seen[0].max()) <= ranges["body.0"].between <= float(seen[0].max())
    assert all(each.has_sign and each.before for each in ranges.values())


def test_blocks_stay_as_they_are_where_that_is_wanted() -> None:
    network, image = learned(ScratchUNet((8, 16))), torch.rand(1, 3, 32, 32)
    ranges = find_ranges(network, [(image, (image,))], ["encoders.0"])
    assert set(ranges) == {"encoders.1", "decoders.0"}
    assert not ranges["encoders.1"].has_sign  # it is given what a ReLU left


def test_blocks_that_are_not_used_have_no_ranges() -> None:
    network, image = learned(Translator()), torch.rand(1, 3, 32, 32)
    ranges = find_ranges(network, [(image, (image, (image[:, :1] > 0.9).float()))])
    assert "clean_vae.decoder.1.0" in ranges
    assert not any(name.startswith("clean_vae.encoder") for name in ranges)


@pytest.mark.skipif(not is_supported(), reason="the processor does not multiply in 8 bits")
def test_losses_are_measured_at_each_level() -> None:
    network = learned(DenoiseUNet((8, 16), (1, 1)))
    examples = [(level, noisy(level)) for level in (5.0, 25.0)]
    quick = quickened(network, Recipe(find_ranges(network, (example for _, example in examples))))
    found = losses(network, quick, examples, TASKS["denoise"])
    assert list(found) == ["5", "25"]
    assert all(abs(lost) < 1 for by_way in found.values() for lost in by_way.values())
