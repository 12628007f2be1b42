"""Masks are compared with those in float32, and with where damage is."""

import numpy as np
import pytest
import torch

from photorestore.networks.precision import FLOAT32
from photorestore.networks.runner import Runner
from photorestore.stages.scratch.network import ScratchUNet
from training import held_masks
from training.held_masks import Held, as_table, compare, judge, mask_of

HW = (40, 60)


def marked(*columns: int) -> torch.Tensor:
    mask = torch.zeros(1, *HW, dtype=torch.bool)
    mask[..., list(columns)] = True
    return mask


def held(*columns: int, is_real: bool) -> Held:
    return Held(torch.zeros(3, *HW, dtype=torch.uint8), marked(*columns), marked(), is_real)


def test_overlaps_are_those_of_all_prints_together() -> None:
    prints = [held(5, is_real=True), held(5, is_real=False)]
    found = judge(prints, [marked(5, 6), marked(*range(10, 18))], [marked(5), marked(*range(10, 18))])
    assert found.overlap == pytest.approx(9 / 10)
    assert found.overlap_real == pytest.approx(1 / 2)
    assert (found.f1_real, found.f1_made) == (1, 0)


def test_where_nothing_is_found_masks_are_the_same() -> None:
    assert judge([held(is_real=True)], [marked()], [marked()]).overlap == 1


def test_a_mask_is_made_of_the_picture_as_it_is_and_turned() -> None:
    """A detector that finds what is bright in the upper half of what it sees."""

    def detector(image: torch.Tensor) -> torch.Tensor:
        logits = 40 * image.mean(1, keepdim=True) - 20
        logits[..., image.shape[-2] // 2 :, :] = -20
        return logits

    image = torch.zeros(3, *HW, dtype=torch.uint8)
    image[:, 5, [10, 50]] = image[:, 35, [10, 50]] = 255
    found = mask_of(detector, image)  # type: ignore[arg-type]
    # Turned to the left, the right half is above; what one look alone finds has a mean of just below one half.
    assert found.nonzero().tolist() == [[0, 5, 50]]


def test_each_precision_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    network = ScratchUNet((8, 8)).eval().requires_grad_(False)
    torch.nn.init.normal_(network.tail.weight, std=5)
    monkeypatch.setattr(
        held_masks, "load_runner", lambda *_args, **_options: Runner(network, precision=FLOAT32)
    )
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, *HW), np.uint8))
    found = compare([Held(image, marked(3), marked(), True)], network, network)
    assert found["float32"].overlap == 1
    assert found["bfloat16"] == found["eight_bits"]
    assert as_table(found).count("overlap") == 3
