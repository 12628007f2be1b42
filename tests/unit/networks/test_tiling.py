import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.descriptor import IMAGE, Descriptor
from photorestore.networks.tiling import (
    TileJob,
    Tiles,
    TileSpec,
    grid,
    run_tiles,
    spans,
    tile_spec,
    to_float,
    to_integers,
)
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


@pytest.mark.parametrize(("reach_px", "side_px"), [(0, 1024), (128, 1024), (129, 1280), (160, 1280)])
def test_a_network_that_looks_far_gets_wider_tiles(reach_px: int, side_px: int) -> None:
    spec = tile_spec(Descriptor("Far", (IMAGE,), IMAGE, stride=16, reach_px=reach_px), 1024, 1)
    assert spec.tile_px == side_px


@pytest.mark.parametrize(
    "hw", [(1024, 1024), (816, 1224), (1536, 640), (7, 90_000), (3000, 2000), (900, 5000)]
)
def test_tiles_have_as_many_pixels_whatever_the_pictures_shape(hw: tuple[int, int]) -> None:
    spec = TileSpec(1024, 64, 4)
    tiles = list(grid(*hw, spec))
    sizes = [(rows.stop - rows.start) * (columns.stop - columns.start) for rows, columns in tiles]
    assert max(sizes) <= 1024**2
    assert len(tiles) == 1 or hw[0] * hw[1] > 1024**2
    covered = sum(
        (rows.core_stop - rows.core_start) * (columns.core_stop - columns.core_start)
        for rows, columns in tiles
    )
    assert covered == hw[0] * hw[1]


def test_tiles_of_one_shape_are_never_longer() -> None:
    tiles = list(grid(100, 900, TileSpec(256, 0, 256)))
    assert {columns.stop - columns.start for _, columns in tiles[:-1]} == {256}


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


@st.composite
def specs(draw: st.DrawFn) -> TileSpec:
    multiple = draw(st.sampled_from([1, 2, 4, 8]))
    halo_px = multiple * draw(st.integers(0, 4))
    tile_px = 2 * halo_px + multiple * draw(st.integers(1, 6))
    return TileSpec(tile_px, halo_px, multiple, batch=draw(st.integers(1, 3)))


@given(length=st.integers(1, 400), spec=specs())
def test_whatever_the_tiles_cores_cover_an_axis_once_each_with_its_halo(length: int, spec: TileSpec) -> None:
    cut = spans(length, spec)
    assert [row for span in cut for row in range(span.core_start, span.core_stop)] == list(range(length))
    for span in cut:
        assert 0 <= span.start <= span.core_start < span.core_stop <= span.stop <= length
        assert span.start % spec.multiple == 0
        assert -(-(span.stop - span.start) // spec.multiple) * spec.multiple <= spec.tile_px
        assert span.start == 0 or span.core_start - span.start >= spec.halo_px
        assert span.stop == length or span.stop - span.core_stop >= spec.halo_px
    assert len({-(-(span.stop - span.start) // spec.multiple) for span in cut}) == 1, "of one shape"


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


@pytest.mark.parametrize(("scale", "tile_px"), [(1, 64), (2, 64), (4, 32)])
def test_tiles_fit_a_networks_stride_and_reach_and_what_comes_out(scale: int, tile_px: int) -> None:
    spec = tile_spec(Descriptor("Some", (IMAGE,), IMAGE, stride=4, reach_px=3), 64, 2, scale)
    assert spec == TileSpec(tile_px, 4, 4, 2, scale)


def test_tiles_of_networks_that_look_far_are_a_quarter_wider() -> None:
    near, far = (
        tile_spec(Descriptor("Some", (IMAGE,), IMAGE, stride=4, reach_px=px), 64, 1) for px in (8, 9)
    )
    assert (near.tile_px, far.tile_px) == (64, 80)


def test_a_network_that_looks_at_whole_pictures_is_not_cut() -> None:
    with pytest.raises(ValueError, match="Some looks at whole pictures"):
        tile_spec(Descriptor("Some", (IMAGE,), IMAGE), 64, 1)


@pytest.mark.parametrize(("tile_px", "halo_px", "multiple"), [(64, 6, 4), (66, 8, 4), (64, 31, 1), (8, 4, 4)])
def test_tiles_that_do_not_fit_the_grid_or_leave_no_core(tile_px: int, halo_px: int, multiple: int) -> None:
    if halo_px == 31:
        assert TileSpec(tile_px, halo_px, multiple).core_px == 2
        return
    with pytest.raises(ValueError, match=r"multiples of|no core"):
        TileSpec(tile_px, halo_px, multiple)
