"""A contract is enforced by messages that say what was expected and what came."""

import re
from typing import Any

import numpy as np
import pytest
import torch

from photorestore.networks.box import Box
from photorestore.networks.descriptor import CORE, IMAGE, SCALE, Descriptor, Port

MASK = Port("mask", "N 1 H W", 0, 1)
CONTRACT = Descriptor(
    "Some",
    (IMAGE, MASK, SCALE, Port("sigma", "N", 0, 1, is_optional=True), Port("size_px", kind=float, is_optional=True)),
    Port("result", "N 3 H W", 0, 1),
    scales=(2, 4),
)  # fmt: skip


def given(**changed: object) -> list[object]:
    inputs: dict[str, object] = {
        "image": torch.rand(2, 3, 8, 6),
        "mask": torch.rand(2, 1, 8, 6),
        "scale": 2,
        "sigma": None,
    }
    return [*(inputs | changed).values()]


def test_inputs_that_fit_tell_the_sizes_of_the_axes() -> None:
    assert CONTRACT.check([*given(sigma=torch.rand(2)), 24]) == {"N": 2, "H": 8, "W": 6}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"image": torch.rand(2, 4, 8, 6)}, "Some: image is (2, 4, 8, 6); expected N x 3 x H x W"),
        ({"image": torch.rand(3, 8, 6)}, "Some: image is (3, 8, 6); expected N x 3 x H x W"),
        ({"mask": torch.rand(2, 1, 8, 7)}, "Some: mask is (2, 1, 8, 7); expected N x 1 x H x W, here 2 x 1 x 8 x 6"),
        ({"mask": torch.rand(1, 1, 8, 6)}, "Some: mask is (1, 1, 8, 6); expected N x 1 x H x W, here 2 x 1 x 8 x 6"),
        ({"mask": None}, "Some: mask is None; expected Tensor"),
        ({"image": torch.zeros(2, 3, 8, 6, dtype=torch.uint8)}, "Some: image holds torch.uint8; expected floating"),
        ({"image": 255 * torch.rand(2, 3, 8, 6)}, "; expected 0 to 1"),
        ({"scale": 3}, "Some: scale 3 was asked for; there are (2, 4)"),
        ({"scale": 2.0}, "Some: scale is 2.0; expected int"),
        ({"sigma": torch.rand(3)}, "Some: sigma is (3,); expected N, here 2"),
        ({"sigma": 0.1}, "Some: sigma is 0.1; expected Tensor"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_what_was_expected(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        CONTRACT.check([*given(**changed), None])


def test_noise_may_lead_outside_of_the_range() -> None:
    CONTRACT.check([*given(image=torch.rand(2, 3, 8, 6) * 2 - 0.5), None])


def test_what_is_left_out_at_the_end_is_none_where_it_is_optional() -> None:
    assert CONTRACT.filled_up(given()[:3])[3:] == [None, None]
    with pytest.raises(
        ValueError, match=re.escape("2 inputs; expected image, mask, scale, [sigma], [size_px]")
    ):
        CONTRACT.filled_up(given()[:2])
    with pytest.raises(ValueError, match="6 inputs"):
        CONTRACT.filled_up([*given(), None, None])


def test_a_job_gives_what_is_asked_for_by_its_name() -> None:
    image, mask = np.zeros((3, 4, 4), np.uint8), np.zeros((1, 4, 4), np.uint8)
    CONTRACT.check_job({"image": image, "mask": mask}, {"sigma": 0.1})
    with pytest.raises(ValueError, match="was given image; expected image, mask, sigma, size_px"):
        CONTRACT.check_job({"image": image}, {})
    with pytest.raises(ValueError, match="was given image, mask, sigmas"):
        CONTRACT.check_job({"image": image, "mask": mask}, {"sigmas": 0.1})
    with pytest.raises(ValueError, match="Some: mask is a plane of 3 channels; expected N x 1"):
        CONTRACT.check_job({"image": image, "mask": image}, {})


@pytest.mark.parametrize("impossible", [{"stride": 0}, {"reach_px": -1}])
def test_an_impossible_contract_is_refused(impossible: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Some has stride"):
        Descriptor("Some", (IMAGE,), IMAGE, **impossible)


def test_the_part_that_counts_may_be_left_out_and_is_no_jobs() -> None:
    contract = Descriptor("Cored", (IMAGE, CORE), IMAGE)
    image = torch.rand(1, 3, 8, 8)
    for core in (None, Box(0, 4, 0, 4)):
        assert contract.check([image, core])["H"] == 8
    plane = np.zeros((3, 8, 8), np.uint8)
    contract.check_job({"image": plane}, {})
    with pytest.raises(ValueError, match="Cored was given core, image; expected image"):
        contract.check_job({"image": plane}, {"core": Box(0, 4, 0, 4)})
