"""Networks in 8 bits do what they did, nearly, and the same for every tile, batch and number of threads."""

import logging
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from photorestore.networks import canary, engines
from photorestore.networks.blocks import ResidualBlock, residual_stack
from photorestore.networks.eight_bits import MIDDLE, Convolution, Pair, Ranges, SkipBlock, is_supported
from photorestore.networks.engines import KEY, ByLevel, Recipe, by_recipe, in_eight_bits, quickened
from photorestore.networks.precision import AUTO, FLOAT32
from photorestore.networks.vae import NormedBlock
from photorestore.networks.weights import load_network, read_metadata, weights_file
from photorestore.stages.denoise.network import DenoiseUNet
from photorestore.stages.scratch.network import _stage
from training.detectors import load_detector
from training.find_ranges import MOST_LOST
from training.held_masks import mask_of

needs_vnni = pytest.mark.skipif(not is_supported(), reason="the processor does not multiply in 8 bits")
COMMITTED = [
    "denoise", "scratch", "scratch_print", "translate", "translate_print", "upscale", "upscale_real"
]  # fmt: skip
RECIPE = Recipe(
    {"body.0": Ranges(3.0, 3.0), "decoders.0.0": Ranges(3.0, 3.0)}, {"sigma": 0.05}, ("decoders",)
)


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def made(block: nn.Module) -> Any:
    torch.manual_seed(0)
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.06)
    return block.eval()


def features(*size: int) -> Tensor:
    drawn = torch.randn(*size, generator=torch.Generator().manual_seed(1))
    return drawn.bfloat16().to(memory_format=torch.channels_last)


def level(*sigmas: float) -> Tensor:
    return torch.tensor(sigmas)


def metadata_of(network: nn.Module) -> dict[str, Any]:
    return {KEY: RECIPE.to_mapping(), "canary": canary.output_of(network)}


@needs_vnni
@pytest.mark.parametrize("has_sign", [True, False])
@pytest.mark.parametrize("size", [(1, 3, 5, 7), (2, 64, 40, 250), (1, 96, 17, 512)])
def test_values_become_the_nearest_numbers_and_what_is_beyond_is_cut_off(
    size: tuple[int, ...], has_sign: bool
) -> None:
    values = features(*size)
    convolution = Convolution(torch.ones(1, size[1], 3, 3), None, 2.0, has_sign=has_sign)
    numbers = convolution.rounded(values)
    steps, zero = (127, MIDDLE) if has_sign else (255, 0)
    expected = (values.float() / 2 * steps).round().add(zero).clamp(0, 255)
    assert numbers.is_contiguous(memory_format=torch.channels_last)
    assert (numbers.float() - expected).abs().max() <= 1  # a half may go either way
    assert (numbers.float() != expected).float().mean() < 0.001


@needs_vnni
@pytest.mark.parametrize("plain", [ResidualBlock(32), ResidualBlock(32, bias=True), NormedBlock(32)])
def test_a_block_does_what_it_did(plain: nn.Module) -> None:
    plain, given = made(plain), features(2, 32, 24, 40)
    before = given.clone()
    expected = plain(given.float())
    change = SkipBlock(plain, Ranges(4.0, 8.0))(given).float() - expected
    assert change.square().mean().sqrt() < 0.02 * (expected - before.float()).square().mean().sqrt()
    assert torch.equal(given, before)


@needs_vnni
@pytest.mark.parametrize("has_sign", [True, False])
def test_a_pair_does_what_it_did(has_sign: bool) -> None:
    plain = made(_stage(24, 32))
    for norm in (plain[1], plain[4]):
        norm.weight.uniform_(0.5, 2)
        norm.bias.uniform_(-0.2, 0.2)
        norm.running_mean.uniform_(-0.1, 0.1)
        norm.running_var.uniform_(0.5, 2)
    given = features(2, 24, 24, 40) if has_sign else features(2, 24, 24, 40).relu()
    inside, expected = plain[:3](given.float()), plain(given.float())
    with torch.autocast("cpu", torch.bfloat16):
        found = Pair(plain, Ranges(4.0, float(inside.max()), has_sign=has_sign))(given)
    assert found.dtype == torch.bfloat16
    assert (found.float() - expected).square().mean() < 0.02**2 * expected.square().mean()


@needs_vnni
def test_a_block_is_the_same_alone_in_a_batch_and_on_more_threads() -> None:
    block, given = SkipBlock(made(ResidualBlock(64)), Ranges(4.0, 4.0)), features(3, 64, 61, 83)
    together = block(given)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        assert torch.equal(block(given), together)
    finally:
        torch.set_num_threads(threads)
    for index in range(3):
        assert torch.equal(block(given[index : index + 1]), together[index : index + 1])


@needs_vnni
def test_blocks_that_follow_blocks_write_over_what_they_are_given_and_the_result_is_the_same() -> None:
    plain = made(residual_stack(32, 3))
    quick = quickened(plain, Recipe({str(number): Ranges(4.0, 8.0) for number in range(3)}))
    blocks = [block for block in quick.modules() if isinstance(block, SkipBlock)]
    assert [block.owns_input for block in blocks] == [False, True, True]
    given = features(2, 32, 24, 40)
    before = given.clone()
    found = quick(given)
    assert torch.equal(given, before), "what others may still need stays"
    for block in blocks:
        block.owns_input = False
    assert torch.equal(quick(given), found)


@needs_vnni
def test_a_block_behind_one_that_is_left_out_keeps_what_it_is_given() -> None:
    plain = made(residual_stack(32, 2))
    quick = quickened(plain, Recipe({"0": Ranges(4.0, 0.0), "1": Ranges(4.0, 8.0)}))
    given = features(1, 32, 24, 40)
    before = given.clone()
    quick(given)
    assert torch.equal(given, before)


@needs_vnni
def test_samples_with_little_noise_keep_delicate_blocks_as_they_are() -> None:
    plain = made(DenoiseUNet((32, 64), (1, 1)))
    network = by_recipe(plain, RECIPE)
    assert isinstance(network, ByLevel)
    partly, wholly = network.partly, network.wholly
    assert isinstance(partly, DenoiseUNet)
    assert isinstance(wholly, DenoiseUNet)
    assert isinstance(partly.decoders[0][0], ResidualBlock)
    assert isinstance(wholly.decoders[0][0], SkipBlock)
    assert partly.body[0] is wholly.body[0], "what both have is in memory once"
    images = torch.rand(2, 3, 32, 48)
    strong, weak = wholly(images, level(0.1, 0.1)), partly(images, level(0.01, 0.01))
    assert not torch.equal(wholly(images[1:], level(0.01)), weak[1:])
    assert not torch.equal(plain(images, level(0.01, 0.01)), weak)
    assert torch.equal(network(images, level(0.1, 0.1)), strong)
    assert torch.equal(network(images), partly(images))
    mixed = network(images, level(0.1, 0.01))
    assert torch.equal(mixed[0], wholly(images[:1], level(0.1))[0])
    assert torch.equal(mixed[1], partly(images[1:], level(0.01))[0])


@needs_vnni
def test_a_network_without_delicate_blocks_is_one_network() -> None:
    assert isinstance(by_recipe(made(DenoiseUNet((32, 64), (1, 1))), Recipe(RECIPE.ranges)), DenoiseUNet)


@needs_vnni
def test_a_network_shares_what_it_does_not_compute_in_8_bits() -> None:
    plain = made(DenoiseUNet((32, 64), (1, 1)))
    quick = quickened(plain, RECIPE)
    assert isinstance(quick, DenoiseUNet)
    assert quick.head.weight is plain.head.weight
    assert isinstance(quick.body[0], SkipBlock)
    assert isinstance(plain.body[0], ResidualBlock)


@needs_vnni
def test_a_network_whose_canary_agrees_is_computed_in_8_bits() -> None:
    plain = made(DenoiseUNet((32, 64), (1, 1)))
    assert isinstance(in_eight_bits(plain, metadata_of(plain), "denoise.fast", "cpu"), ByLevel)


@pytest.mark.parametrize("trouble", ["canary", "blocks", "processor", "device", "recipe"])
def test_a_network_stays_as_it_is_where_8_bits_are_of_no_use(
    trouble: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    plain = made(DenoiseUNet((32, 64), (1, 1)))
    metadata, device = metadata_of(plain), "cpu"
    if trouble == "canary":
        metadata["canary"] = [2 * value for value in metadata["canary"]]
    elif trouble == "blocks":
        metadata[KEY]["ranges"] = {"body.9": {"before": 1, "between": 1}}
    elif trouble == "processor":
        monkeypatch.setattr(engines, "is_supported", lambda: False)
    elif trouble == "device":
        device = "cuda"
    else:
        del metadata[KEY]
    assert in_eight_bits(plain, metadata, "denoise.fast", device) is plain
    is_told = "denoise.fast is not computed in 8 bits" in caplog.text
    assert is_told == (trouble not in ("device", "recipe"))


@needs_vnni
@pytest.mark.parametrize("name", COMMITTED)
def test_committed_weights_are_computed_in_8_bits_unless_another_precision_is_asked_for(name: str) -> None:
    assert KEY in read_metadata(weights_file(name, "fast"))
    quick, plain = load_network(name, precision=AUTO), load_network(name, precision=FLOAT32)
    assert any(isinstance(module, SkipBlock | Pair) for module in quick.modules())
    assert not any(isinstance(module, SkipBlock | Pair) for module in plain.modules())


def test_masks_of_held_out_prints_lose_no_more_than_allowed() -> None:
    lost = read_metadata(weights_file("scratch_print", "fast"))[KEY]["losses"]["prints"]
    assert lost["bfloat16"] < lost["eight_bits"] <= MOST_LOST


@needs_vnni
def test_the_mask_of_a_made_print_is_nearly_that_in_float32() -> None:
    image = cracked_print(320, 480)
    best, found = (mask_of(load_detector("scratch_print", precision=how), image) for how in (FLOAT32, AUTO))
    assert best.sum() > 2000
    assert (best & found).sum() > (1 - MOST_LOST) * (best | found).sum()


def cracked_print(h: int, w: int) -> Tensor:
    """A soft, grainy picture with cracks and specks: uint8 (3, H, W)."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:h, :w]
    image = 110 + 50 * np.sin(x / 70 + y / 50) + 6 * rng.standard_normal((h, w))
    for _ in range(14):
        points = np.cumsum(rng.integers(-14, 15, (12, 2)), 0) + rng.integers(0, (w, h))
        colour = float(rng.choice([15, 240]))
        cv2.polylines(image, [points.astype(np.int32)], False, colour, int(rng.integers(1, 4)))
    for _ in range(60):
        at = int(rng.integers(w)), int(rng.integers(h))
        cv2.circle(image, at, int(rng.integers(1, 5)), 240.0, -1)
    return torch.from_numpy(np.repeat(image.clip(0, 255).astype(np.uint8)[None], 3, 0))
