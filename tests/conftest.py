"""Pictures made in code, shared by all tests."""

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from photorestore.envelope import Envelope, Problem
from photorestore.findings import Kind, find
from photorestore.networks.runner import Runner, load_runner
from photorestore.options import Options
from photorestore.pipeline import load_stage
from photorestore.source import Source
from photorestore.stages.base import Stage, StageConfig
from photorestore.stages.face.detector import Face
from photorestore.workspace import Workspace

settings.register_profile("unhurried", deadline=None)  # machines are busy at times
settings.load_profile("unhurried")


def make_photo(h: int, w: int, seed: int = 0) -> np.ndarray:
    """A smooth, colourful (H, W, 3) uint8 picture with a few edges."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    channels = []
    for _ in range(3):
        a, b, phase = rng.uniform(0.01, 0.06, 3)
        channels.append(0.5 + 0.3 * np.sin(a * x + phase * 50) * np.cos(b * y))
    photo = np.stack(channels, -1)
    for _ in range(6):
        top, left = rng.integers(0, h), rng.integers(0, w)
        photo[top : top + h // 5, left : left + w // 6] = rng.uniform(0.1, 0.9, 3)
    return (photo * 255).round().astype(np.uint8)


def add_noise(photo: np.ndarray, sigma_255: float, seed: int = 0) -> np.ndarray:
    """White Gaussian noise, clipped and rounded as a stored picture is."""
    noise = np.random.default_rng(seed).normal(0, sigma_255, photo.shape)
    return (photo + noise).clip(0, 255).round().astype(np.uint8)


def problem_of(envelope: Envelope) -> Problem:
    """Return what went wrong; something must have."""
    assert envelope.problem is not None
    return envelope.problem


def found_by(workspace: Workspace, kind: type[Kind]) -> Kind:
    """Return what one stage found, by the class of its findings; it must have worked."""
    found = find(workspace.envelope.estimates, kind)
    assert found is not None
    return found


def source_of(workspace: Workspace) -> Source:
    """Return what the upload was; it must have been read."""
    assert workspace.envelope.source is not None
    return workspace.envelope.source


@functools.cache
def loaded_stage(name: str) -> Stage:
    """A stage with our weights, which all tests share."""
    return load_stage(name, StageConfig(), None, torch.device("cpu"))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def detector() -> Runner[list[Face]]:
    """The network that finds faces, with our weights."""
    return load_runner("face_detector")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace with default options."""
    return Workspace.create(tmp_path / "spaces", Options())
