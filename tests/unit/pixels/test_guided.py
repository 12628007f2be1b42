"""Maps that get the edges of a picture."""

import pytest
import torch

from photorestore.pixels.guided import at_rows, functions_of, guided


def test_means_are_those_of_squares_that_end_at_the_border() -> None:
    values = torch.rand(1, 2, 9, 12)
    slope, offset = functions_of(torch.zeros(1, 1, 9, 12), values, 2, 1.0).chunk(2, 1)
    once, pad = torch.zeros_like(values), 2
    for y in range(9):
        for x in range(12):
            rows, columns = slice(max(0, y - pad), y + pad + 1), slice(max(0, x - pad), x + pad + 1)
            once[..., y, x] = values[..., rows, columns].mean((2, 3))
    assert float(slope.abs().max()) == 0
    torch.testing.assert_close(offset[0, :, 4, 6], once[0, :, 2:7, 4:9].mean((1, 2)))


def test_a_map_follows_an_edge_that_it_lacks() -> None:
    guide, values = torch.zeros(1, 1, 40, 40), torch.zeros(1, 1, 40, 40)
    guide[..., 20:] = 1
    values[..., 24:] = 1  # too late
    found = guided(guide, values, 8, 1e-4)[0, 0, 20]
    assert float(found[20] - found[19]) > 0.4
    assert float((found[22] - found[21]).abs()) < 0.1


def test_an_even_map_stays_even_and_sizes_below_the_radius_are_taken() -> None:
    for hw in ((1, 1), (2, 5), (30, 30)):
        found = guided(torch.rand(1, 1, *hw), torch.full((1, 3, *hw), 0.4), 8, 1e-3)
        torch.testing.assert_close(found, torch.full((1, 3, *hw), 0.4))


@pytest.mark.parametrize("rows", [7, 16, 33])
def test_rows_of_a_larger_picture_give_what_the_whole_gives(rows: int) -> None:
    functions = functions_of(torch.rand(1, 1, 20, 24), torch.rand(1, 1, 20, 24), 4, 1e-3)
    guide = torch.rand(1, 1, 50, 60)
    parts = [at_rows(functions, guide[:, :, top : top + rows], top, 50) for top in range(0, 50, rows)]
    torch.testing.assert_close(torch.cat(parts, 2), at_rows(functions, guide, 0, 50))
