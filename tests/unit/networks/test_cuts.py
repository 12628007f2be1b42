import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photorestore.networks.cuts import Span, TileSpec, grid, narrowed, spans, tile_spec, whole_spec
from photorestore.networks.descriptor import IMAGE, Descriptor

WHOLE = Descriptor("Whole", (IMAGE,), IMAGE, stride=8, takes_whole=True)


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


def wanted_at(*cells: tuple[int, int], side_px: int = 200) -> np.ndarray:
    wanted = np.zeros((side_px, side_px), np.uint8)
    for cell in cells:
        wanted[cell] = 255
    return wanted


def test_of_a_tile_only_what_is_wanted_is_computed_with_its_halo() -> None:
    whole = Span(0, 200, 0, 200)
    boxes = list(narrowed(whole, whole, wanted_at((100, 50), (110, 50), (199, 199)), TileSpec(200, 8, 4)))
    assert boxes == [
        (Span(92, 120, 100, 112), Span(40, 60, 48, 52)),
        (Span(188, 200, 196, 200), Span(188, 200, 196, 200)),
    ]
    assert not list(narrowed(whole, whole, wanted_at(), TileSpec(200, 8, 4)))


def test_what_is_wanted_in_a_halo_belongs_to_another_tile() -> None:
    rows, columns = Span(0, 64, 0, 56), Span(48, 112, 56, 104)
    assert not list(narrowed(rows, columns, wanted_at((60, 60), (20, 50)), TileSpec(64, 8, 4)))
    part = list(narrowed(rows, columns, wanted_at((55, 103), (60, 60)), TileSpec(64, 8, 4)))
    assert part == [(Span(44, 64, 52, 56), Span(92, 112, 100, 104))]


@pytest.mark.parametrize(
    "spec",
    [TileSpec(200, 8, 4, batch=2), TileSpec(200, 0, 200), whole_spec(WHOLE, (200, 200), 256)],
    ids=["shares a batch", "has one shape", "is looked at as a whole"],
)
def test_tiles_that_stay_whole(spec: TileSpec) -> None:
    whole = Span(0, 200, 0, 200)
    assert list(narrowed(whole, whole, wanted_at((3, 3)), spec)) == [(whole, whole)]


@given(
    length=st.integers(1, 60), spec=specs(), cells=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)))
)
def test_all_that_is_wanted_is_kept_once_and_no_more_is_read_than_the_tiles(
    length: int, spec: TileSpec, cells: list[tuple[int, int]]
) -> None:
    spec, wanted = replace(spec, batch=1), np.zeros((length, length), np.uint8)
    for row, column in cells:
        wanted[min(row, length - 1), min(column, length - 1)] = 1
    kept = np.zeros(wanted.shape, int)
    for tile in grid(length, length, spec):
        for rows, columns in narrowed(*tile, wanted, spec):
            kept[rows.core_start : rows.core_stop, columns.core_start : columns.core_stop] += 1
            for part, span in zip((rows, columns), tile, strict=True):
                assert span.start <= part.start <= part.core_start < part.core_stop <= part.stop <= span.stop
                assert part.start % spec.multiple == 0
                assert part.start == span.start or part.core_start - part.start >= spec.halo_px
                assert part.stop == span.stop or part.stop - part.core_stop >= spec.halo_px
    assert (kept[wanted > 0] == 1).all()
    assert kept.max() <= 1
