"""The suite of raw files, on few small pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import demosaic, report_demosaic
from tests.conftest import make_photo


def test_the_suite_measures_and_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demosaic, "LEAST_PX", 512)
    for name in demosaic.SETS:
        (tmp_path / name).mkdir()
        Image.fromarray(make_photo(40, 60)).save(tmp_path / name / "a.png")
    result = json.loads(json.dumps(demosaic.measure(tmp_path, every=2)))
    assert set(result["psnr_db"]) == {
        f"{pattern}, sigma {sigma}" for pattern in demosaic.PATTERNS for sigma in demosaic.SIGMAS_255
    }
    assert "| LibRaw |" in report_demosaic.demosaic(result)


def test_light_and_its_encoding_agree() -> None:
    assert demosaic.light_of(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 0.21404, 1], abs=1e-5)
