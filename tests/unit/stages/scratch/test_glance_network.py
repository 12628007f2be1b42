"""A detector that is stopped half-way."""

import numpy as np
import pytest
import torch
from torch import Tensor

from photorestore.networks.runner import Runner, load_runner
from photorestore.networks.tiling import TileJob
from photorestore.stages.scratch.glance_network import NOTHING, Glance, Glanced, gathered
from photorestore.stages.scratch.network import ScratchUNet
from tests.conftest import make_photo

WIDTHS = (8, 12, 16, 16)


class Chosen(Glance):
    """Sees something in cells in which the detector's features are greatest."""

    def __init__(self, share: float) -> None:
        super().__init__(WIDTHS)
        self.share = share

    def forward(self, *maps: Tensor) -> Tensor:
        seen = gathered(maps).float().sum(1, keepdim=True)
        return seen - LIMITS[self.share]


LIMITS = {1.0: -1.0, 0.0: 1e9, 0.05: 0.0}


@pytest.fixture(scope="module")
def detector() -> ScratchUNet:
    torch.manual_seed(0)
    network = ScratchUNet(WIDTHS).eval().requires_grad_(False)
    torch.nn.init.normal_(network.tail.weight)
    return network


@pytest.fixture(scope="module")
def image(detector: ScratchUNet) -> Tensor:
    """A photograph; the limit by which a twentieth of its cells are decoded is noted."""
    photo = torch.from_numpy(make_photo(350, 530).transpose(2, 0, 1).copy())[None] / 255
    seen = gathered(detector.encoded(photo)).float().sum(1)
    LIMITS[0.05] = float(seen.quantile(0.98))
    return photo


def test_where_all_is_seen_all_is_as_the_detector_finds_it(detector: ScratchUNet, image: Tensor) -> None:
    torch.testing.assert_close(Glanced(detector, Chosen(1.0))(image), detector(image))


def test_where_nothing_is_seen_nothing_is_decoded(
    detector: ScratchUNet, image: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "decoded", None)
    logits = Glanced(detector, Chosen(0.0))(image)
    assert logits.shape == (1, 1, 350, 530)
    assert (logits == NOTHING).all()


def test_what_is_seen_is_as_the_detector_finds_it(detector: ScratchUNet, image: Tensor) -> None:
    found, whole = Glanced(detector, Chosen(0.05))(image), detector(image)
    seen = found != NOTHING
    assert 0.02 < seen.float().mean() < 0.5
    torch.testing.assert_close(found[seen], whole[seen], atol=1e-3, rtol=1e-3)


def test_pictures_of_a_batch_are_seen_each_by_itself(detector: ScratchUNet, image: Tensor) -> None:
    network = Glanced(detector, Chosen(0.05))
    other = image.flip(-1)
    together = network(torch.cat([image, other]))
    torch.testing.assert_close(together, torch.cat([network(image), network(other)]), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("tile_px", [300, 400])
def test_tiles_give_what_the_whole_picture_gives(detector: ScratchUNet, tile_px: int) -> None:
    plane = np.ascontiguousarray(make_photo(700, 900, 3).transpose(2, 0, 1))
    network = Glanced(detector, Chosen(0.05))
    planes = []
    for side_px in (1024, tile_px):
        target = np.zeros((1, 700, 900), np.uint16)
        Runner(network, precision="float32", tile_px=side_px).fill(
            [TileJob({"image": plane}, target, None)], lambda logits, _: logits.sigmoid()
        )
        planes.append(target.astype(int))
    assert np.abs(planes[0] - planes[1]).max() <= 2
    assert planes[0].any()


def test_a_made_scratch_is_found_at_a_glance_as_without() -> None:
    """With the weights that are delivered."""
    picture = make_photo(256, 320)
    picture[40:200, 150:153] = 250
    image = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None] / 255
    detector, glance = load_runner("scratch"), load_runner("scratch_glance")
    scene = torch.full((1, 64, 16, 20), 0.5)
    assert isinstance(detector.network, ScratchUNet)
    assert isinstance(glance.network, Glance)
    whole = detector(image, scene, clamps=False).sigmoid() >= 0.9995
    network = Glanced(detector.network, glance.network)
    glanced = Runner(network)(image, scene, clamps=False).sigmoid() >= 0.9995
    assert whole.sum() > 100
    assert (whole & glanced).sum() >= 0.99 * whole.sum()
