"""Cards of networks from elsewhere say how they may be run."""

import math

import pytest

from photorestore_import.card import card
from photorestore_import.measuring import Measured


def rows(measured: Measured, *, scale: int = 1, licence: str = "MIT") -> dict[str, str]:
    """Rows of a card by their first cell."""
    architecture = {
        "kind": "SPAN",
        "scale": scale,
        "reach_px": measured.reach_px,
        "in_bfloat16": measured.bfloat16_db > 50,
    }
    origin = {"file": "a.pth", "sha256": "00ff", "licence": licence}
    text = card("denoise", "a", {"architecture": architecture, "origin": origin}, measured, 1_234_567)
    cells = (line.strip("| ").split(" | ", 1) for line in text.splitlines() if line.startswith("| "))
    return {cell[0]: cell[1] for cell in cells if len(cell) == 2}


def test_one_that_is_cut_into_tiles() -> None:
    found = rows(Measured(21, 21, 8, 0.0123, 61.23))
    assert found["Architecture"] == "SPAN, as spandrel tells it, 1.23 million weights"
    assert found["File"] == "`a.pth`, SHA-256 `00ff`"
    assert (
        found["Pictures"] == "of any size, in tiles, which change the result by 0.012 levels of 255 at most"
    )
    assert (found["Stride"], found["Looks"]) == ("8 px", "21 px far")
    assert found["bfloat16"] == "61.2 dB of float32: used (more than 50 dB are)"


@pytest.mark.parametrize(
    ("measured", "pictures", "looks"),
    [
        (
            Measured(None, None, 1, None, 43.0),
            "whole, of no more pixels than a tile",
            "everywhere, or farther than was measured",
        ),
        (
            Measured(11, None, 1, 18.3, 43.0),
            "whole, of no more pixels than a tile: tiles would change it by 18 levels of 255",
            "11 px far",
        ),
    ],
)
def test_one_that_is_given_whole_pictures(measured: Measured, pictures: str, looks: str) -> None:
    found = rows(measured)
    assert (found["Pictures"], found["Looks"]) == (pictures, looks)
    assert found["bfloat16"] == "43.0 dB of float32: not used (more than 50 dB are)"


def test_one_that_looks_far_but_is_hardly_moved() -> None:
    found = rows(Measured(347, 40, 1, 0.1, -math.inf))
    assert found["Looks"] == "347 px far, but by 0.25 level of 255 or more only 40 px far"
    assert found["bfloat16"] == "cannot be computed in"


def test_a_licence_stays_within_its_cell() -> None:
    assert rows(Measured(1, 1, 1, 0, 60), licence="MIT |\n# or\tBSD")["Licence"] == "MIT \\| # or BSD"
