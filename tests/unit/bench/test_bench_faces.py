from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from bench import faces, report
from photorestore import pipeline


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets of two portraits of one person, and a picture without a face."""
    folder = tmp_path_factory.mktemp("bench")
    head = data.astronaut()[:256, 96:352]
    for name in faces.SETS:
        (folder / name).mkdir(parents=True)
        Image.fromarray(head).save(folder / name / "a.png")
        Image.fromarray(np.ascontiguousarray(head[:, ::-1])).save(folder / name / "b.png")
    Image.fromarray(data.coffee()[:200, :200]).save(folder / faces.SETS[0] / "c.png")
    return folder


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> pipeline.Pipeline:
    return pipeline.load(stages=("preprocess", "deliver"), root=tmp_path_factory.mktemp("spaces"))


def soften_contrast(crops: torch.Tensor) -> torch.Tensor:
    return torch.lerp(crops, crops.mean((2, 3), keepdim=True), 0.02)


def test_the_input_and_the_unrefined_result_are_measured(
    root: Path, loaded: pipeline.Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces, "load_refiner", lambda _tier: soften_contrast)
    result = faces.measure(root, loaded)
    first = result["sets"]["faces/aaf"]
    assert (first["pictures"], first["faces"]) == (3, 2)
    assert first["psnr_face_db"]["input"] == first["psnr_face_db"]["unrefined"]
    assert 15 < first["psnr_face_db"]["input"]["mean"] < 45
    assert 0 < first["landmark_shift_percent"]["input"]["mean"] < 20
    assert faces.measure(root, loaded) == result


def test_with_a_refiner_gains_outcomes_and_the_gap_are_measured(
    root: Path, loaded: pipeline.Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces, "load_refiner", lambda _tier: soften_contrast)
    result = faces.measure(root, loaded)
    for found in result["sets"].values():
        assert sum(found["outcomes"].values()) == sum(found["clean_outcomes"].values()) == 2
        gained = found["psnr_face_db"]["refined"]["mean"] - found["psnr_face_db"]["unrefined"]["mean"]
        assert found["gain_db"]["mean"] == pytest.approx(gained, abs=1e-3)
    assert isinstance(result["gap_db"], float)
    assert "Gap between the sets" in report._faces(result)
