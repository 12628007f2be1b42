"""A detector that is given whole pictures is told what they show, as in the stage."""

import torch

from photorestore.networks.runner import Runner, load_runner
from photorestore.stages.preprocess.scene import TRUNK, features_of, told
from photorestore.stages.preprocess.scene_network import view_of
from photorestore.stages.scratch.network import ScratchUNet
from training.detectors import Detector, load_detector


def test_a_delivered_detector_is_told_what_the_picture_shows() -> None:
    detector, image = load_detector("scratch_print", precision="float32"), torch.rand(2, 3, 40, 70)
    shown = told(detector.network, features_of(detector.trunk, view_of(image)), 40, 70)
    assert torch.equal(detector(image), detector.network(image, *shown))


def test_one_that_is_not_told_is_given_the_picture_alone() -> None:
    runner = Runner(ScratchUNet((8, 12)).eval(), precision="float32")
    detector, image = Detector(runner, load_runner(TRUNK, precision="float32")), torch.rand(1, 3, 40, 70)
    assert torch.equal(detector(image), runner(image))
