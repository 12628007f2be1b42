"""Which boxes of cells are decoded."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from photorestore.pixels.boxes import Box, boxes_of, with_halo

HALO = 2
ROWS, COLUMNS = 30, 40


def marked(*cells: tuple[int, int], rows: int = ROWS, columns: int = COLUMNS) -> np.ndarray:
    found = np.zeros((rows, columns), bool)
    for cell in cells:
        found[cell] = True
    return found


def decoded(boxes: list[Box], cells: np.ndarray) -> int:
    read = [with_halo(box, HALO, cells.shape) for box in boxes]
    return sum((bottom - top) * (right - left) for top, bottom, left, right in read)


def test_where_nothing_was_seen_nothing_is_decoded() -> None:
    assert boxes_of(marked(), HALO) == []


def test_one_cell_is_a_box() -> None:
    assert boxes_of(marked((3, 5)), HALO) == [(3, 4, 5, 6)]


def test_cells_far_apart_are_decoded_apart_and_near_ones_together() -> None:
    assert boxes_of(marked((1, 1), (28, 38)), HALO) == [(1, 2, 1, 2), (28, 29, 38, 39)]
    assert boxes_of(marked((10, 10), (12, 11)), HALO) == [(10, 13, 10, 12)]


def test_a_halo_ends_with_the_picture() -> None:
    assert with_halo((0, 1, 38, 39), HALO, (ROWS, COLUMNS)) == (0, 3, 36, 40)


@given(st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, COLUMNS - 1)), max_size=60))
def test_every_cell_is_in_one_box_and_no_more_is_decoded_than_the_picture(
    cells: list[tuple[int, int]],
) -> None:
    found = marked(*cells)
    boxes = boxes_of(found, HALO)
    seen = np.zeros(found.shape, int)
    for top, bottom, left, right in boxes:
        seen[top:bottom, left:right] += 1
    assert (seen[found] == 1).all()
    assert seen.max(initial=0) <= 1
    assert decoded(boxes, found) <= found.size


def test_a_picture_on_its_side_is_decoded_in_the_same_boxes() -> None:
    found = marked((2, 3), (2, 30), (25, 10))
    turned = boxes_of(found.T, HALO)
    assert {(left, right, top, bottom) for top, bottom, left, right in turned} == set(boxes_of(found, HALO))


def test_very_many_cells_in_a_row_are_found() -> None:
    found = np.zeros((1, 4000), bool)
    found[:, ::8] = True
    assert len(boxes_of(found, HALO)) == 500
    found[:, ::2] = True
    assert boxes_of(found, HALO) == [(0, 1, 0, 3999)]
