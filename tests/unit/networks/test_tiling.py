import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from photorestore.networks.tiling import TileJob, TileSpec, run_tiles, spans, tile_spec, to_float
from photorestore.stages.denoise.network import DenoiseUNet

CPU = torch.device("cpu")


def small_network() -> DenoiseUNet:
    network = DenoiseUNet((8, 16), (1, 1))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


def random_plane(c: int, h: int, w: int, dtype: str = "uint8", seed: int = 0) -> np.ndarray:
    high = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, high, (c, h, w), dtype=dtype, endpoint=True)


def whole(network: DenoiseUNet, plane: np.ndarray) -> torch.Tensor:
    with torch.inference_mode():
        return network(to_float(plane)[None])[0].clamp(0, 1)


@pytest.mark.parametrize("hw", [(7, 5), (64, 64), (131, 77), (203, 331), (96, 97)])
@pytest.mark.parametrize("batch", [1, 4])
def test_tiled_equals_whole_on_odd_sizes(hw: tuple[int, int], batch: int) -> None:
    network = small_network()
    plane = random_plane(3, *hw)
    target = np.zeros((3, *hw), np.uint16)
    spec = tile_spec(network, tile_px=96, batch=batch)
    run_tiles(lambda tiles, _: network(tiles), [TileJob((plane,), target)], spec, CPU)
    assert (to_float(target) - whole(network, plane)).abs().max() < 2e-5


def test_receptive_field_covers_what_influences_a_pixel() -> None:
    network = small_network()
    image = torch.rand(1, 3, 160, 160, requires_grad=True)
    network(image)[0, :, 80, 80].sum().backward()
    assert image.grad is not None
    rows = image.grad.abs().sum((0, 1, 3)).nonzero()
    reach = int((rows - 80).abs().max())
    assert 0 < reach <= network.receptive_field_px


def test_tiles_of_several_pictures_share_batches_and_do_not_mix() -> None:
    network = small_network()
    planes = [random_plane(3, 150, 90, "uint16", seed) for seed in range(3)]
    jobs = [
        TileJob((plane,), np.zeros(plane.shape, np.uint16), context=index)
        for index, plane in enumerate(planes)
    ]
    seen = []

    def forward(tiles: Tensor, contexts: Sequence[object]) -> Tensor:
        seen.append(tuple(contexts))
        return network(tiles)

    run_tiles(forward, jobs, tile_spec(network, tile_px=96, batch=4), CPU)
    assert any(len(set(contexts)) > 1 for contexts in seen)
    assert all(len(contexts) == 4 for contexts in seen)
    for plane, job in zip(planes, jobs, strict=True):
        assert (to_float(job.target) - whole(network, plane)).abs().max() < 2e-5


def test_unwanted_tiles_are_not_computed() -> None:
    plane, wanted = random_plane(1, 200, 200), np.zeros((200, 200), np.uint8)
    wanted[190, 190] = 1
    target = np.full((1, 200, 200), 7, np.uint8)
    calls = []

    def forward(tiles: Tensor, _: object) -> Tensor:
        calls.append(len(tiles))
        return tiles

    run_tiles(forward, [TileJob((plane,), target, wanted=wanted)], TileSpec(64, 8, 4), CPU)
    assert len(calls) == 1
    assert (target[0, :100, :100] == 7).all()
    assert target[0, 190, 190] == plane[0, 190, 190]


def test_sources_are_joined_by_channel() -> None:
    image, mask = random_plane(3, 20, 30), random_plane(1, 20, 30, "uint16")
    target = np.zeros((1, 20, 30), np.uint16)
    run_tiles(lambda tiles, _: tiles[:, 3:], [TileJob((image, mask), target)], TileSpec(64, 8, 4), CPU)
    assert (target == mask).all()


@pytest.mark.parametrize("length", [1, 63, 64, 65, 100, 500, 1001])
def test_cores_cover_an_axis_once(length: int) -> None:
    spec = TileSpec(64, 8, 4)
    cores = [(span.core_start, span.core_stop) for span in spans(length, spec)]
    assert cores[0][0] == 0
    assert cores[-1][1] == length
    assert all(before[1] == after[0] for before, after in itertools.pairwise(cores))
    assert all(span.stop - span.start <= 64 for span in spans(length, spec))


def test_every_core_has_its_halo() -> None:
    for span in spans(1001, TileSpec(64, 8, 4)):
        assert span.start == 0 or span.core_start - span.start >= 8
        assert span.stop == 1001 or span.stop - span.core_stop >= 8


def test_a_halo_that_leaves_no_core_is_refused() -> None:
    with pytest.raises(ValueError, match="no core"):
        TileSpec(64, 32, 4)


def test_a_target_of_another_size_than_the_scale_says_is_refused() -> None:
    plane = random_plane(3, 20, 30)
    job = TileJob((plane,), np.zeros((3, 40, 61), np.uint8))
    with pytest.raises(ValueError, match="at scale 2"):
        run_tiles(lambda tiles, _: tiles, [job], TileSpec(64, 8, 4, scale=2), CPU)


def test_enlarged_tiles_are_written_where_they_belong() -> None:
    plane = random_plane(1, 90, 70)
    target = np.zeros((1, 270, 210), np.uint8)

    def forward(tiles: Tensor, _: object) -> Tensor:
        return tiles.repeat_interleave(3, 2).repeat_interleave(3, 3)

    run_tiles(forward, [TileJob((plane,), target)], TileSpec(64, 8, 4, batch=2, scale=3), CPU)
    assert (target == plane.repeat(3, 1).repeat(3, 2)).all()
