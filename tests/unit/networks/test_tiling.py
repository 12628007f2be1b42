import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.cuts import TileSpec, tile_spec
from photorestore.networks.tiling import (
    TileJob,
    Tiles,
    run_tiles,
    to_float,
    to_integers,
)
from photorestore.stages.denoise.network import DenoiseUNet
from tests.unit.networks.test_cuts import specs

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


def test_tiles_of_several_pictures_share_batches_and_do_not_mix() -> None:
    network = small_network()
    planes = [random_plane(3, 150, 90, "uint16", seed) for seed in range(3)]
    jobs = [
        TileJob({"image": plane}, np.zeros(plane.shape, np.uint16), index)
        for index, plane in enumerate(planes)
    ]
    seen: list[list[int]] = []

    def forward(tiles: Tiles[int]) -> Tensor:
        seen.append([job.context for job in tiles.jobs])
        return network(tiles.planes["image"])

    with torch.inference_mode():
        run_tiles(forward, jobs, tile_spec(network.descriptor, tile_px=96, batch=4), CPU)
    assert any(len(set(contexts)) > 1 for contexts in seen)
    assert all(len(contexts) == 4 for contexts in seen)
    for plane, job in zip(planes, jobs, strict=True):
        assert (to_float(job.target) - whole(network, plane)).abs().max() < 2e-5


def test_unwanted_tiles_are_not_computed() -> None:
    plane, wanted = random_plane(1, 200, 200), np.zeros((200, 200), np.uint8)
    wanted[190, 190] = 1
    target = np.full((1, 200, 200), 7, np.uint8)
    calls: list[int] = []

    def forward(tiles: Tiles[None]) -> Tensor:
        calls.append(len(tiles.jobs))
        return tiles.planes["image"]

    run_tiles(forward, [TileJob({"image": plane}, target, None, wanted=wanted)], TileSpec(64, 8, 4), CPU)
    assert len(calls) == 1
    assert (target[0, :100, :100] == 7).all()
    assert target[0, 190, 190] == plane[0, 190, 190]


def test_planes_are_cut_alike_and_come_by_name() -> None:
    planes = {"image": random_plane(3, 90, 30), "mask": random_plane(1, 90, 30, "uint16")}
    target = np.zeros((1, 90, 30), np.uint16)
    job = TileJob(planes, target, None)
    run_tiles(lambda tiles: tiles.planes["mask"], [job], TileSpec(64, 8, 4), CPU)
    assert (target == planes["mask"]).all()


def test_planes_of_several_sizes_are_refused() -> None:
    job = TileJob(
        {"image": random_plane(3, 20, 30), "mask": random_plane(1, 20, 31)}, random_plane(1, 20, 30), None
    )
    with pytest.raises(ValueError, match="planes differ in size"):
        run_tiles(lambda tiles: tiles.planes["mask"], [job], TileSpec(64, 8, 4), CPU)


def test_a_target_of_another_size_than_the_scale_says_is_refused() -> None:
    plane = random_plane(3, 20, 30)
    job = TileJob({"image": plane}, np.zeros((3, 40, 61), np.uint8), None)
    with pytest.raises(ValueError, match="at scale 2"):
        run_tiles(lambda tiles: tiles.planes["image"], [job], TileSpec(64, 8, 4, scale=2), CPU)


def test_enlarged_tiles_are_written_where_they_belong() -> None:
    plane = random_plane(1, 90, 70)
    target = np.zeros((1, 270, 210), np.uint8)

    def forward(tiles: Tiles[None]) -> Tensor:
        return tiles.planes["image"].repeat_interleave(3, 2).repeat_interleave(3, 3)

    run_tiles(forward, [TileJob({"image": plane}, target, None)], TileSpec(64, 8, 4, batch=2, scale=3), CPU)
    assert (target == plane.repeat(3, 1).repeat(3, 2)).all()


@settings(max_examples=30)
@given(h=st.integers(1, 24), w=st.integers(1, 24), spec=specs(), dtype=st.sampled_from(["uint8", "uint16"]))
def test_a_mean_over_the_halo_is_the_same_in_tiles(h: int, w: int, spec: TileSpec, dtype: str) -> None:
    plane, target = random_plane(2, h, w, dtype), np.zeros((2, h, w), dtype)
    side = 2 * spec.halo_px + 1

    def mean(image: Tensor) -> Tensor:
        ones = F.avg_pool2d(torch.ones_like(image), side, 1, spec.halo_px)
        return F.avg_pool2d(image, side, 1, spec.halo_px) / ones

    def forward(tiles: Tiles[None]) -> Tensor:
        return mean(tiles.planes["image"])[..., : tiles.sizes["H"], : tiles.sizes["W"]]

    run_tiles(forward, [TileJob({"image": plane}, target, None)], spec, CPU)
    padded = [-(-length // spec.multiple) * spec.multiple - length for length in (h, w)]
    image = F.pad(to_float(plane)[None], (0, padded[1], 0, padded[0]), mode="replicate")
    expected = mean(image)[0, :, :h, :w]
    assert (to_float(target) - expected).abs().max() <= 0.51 / np.iinfo(dtype).max + 1e-5


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_integer_survives_being_a_fraction(dtype: str) -> None:
    most = np.iinfo(dtype).max
    plane = np.arange(most + 1).astype(dtype).reshape(1, 16, -1)
    assert (to_integers(to_float(plane), plane.dtype) == plane).all()
    beyond = torch.tensor([[-0.5, 1.5, 0.5 / most, 1.5 / most]])
    assert to_integers(beyond, plane.dtype).tolist() == [[0, most, 0, 2]], "clamped, and rounded to even"


@pytest.mark.parametrize(("sides", "drops"), [([90], 0), ([150], 4), ([150, 50, 40], 6)])
def test_freed_memory_is_given_back_behind_each_batch_of_large_pictures(
    sides: list[int], drops: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back: list[None] = []
    monkeypatch.setattr("photorestore.networks.tiling.LARGE_PX", 150**2)
    monkeypatch.setattr("photorestore.networks.tiling.drop_freed_memory", lambda: given_back.append(None))
    planes = [random_plane(1, side, side) for side in sides]
    jobs = [TileJob({"image": plane}, np.zeros_like(plane), None) for plane in planes]
    run_tiles(lambda tiles: tiles.planes["image"], jobs, TileSpec(100, 8, 4), CPU)
    assert len(given_back) == drops
