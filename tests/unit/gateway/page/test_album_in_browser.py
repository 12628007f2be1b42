"""In a real browser: several photos at once, kept over a reload, saved together."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from photorestore.options import STAGES
from tests.browser import Browser, needs_chromium
from tests.edge import FakeTorchServe

pytestmark = needs_chromium


def test_several_photos_are_restored_shown_one_by_one_and_saved_together(
    serve: Callable[..., Browser], photos: list[Path], tmp_path: Path
) -> None:
    browser = serve(jobs_dir=tmp_path / "jobs")
    browser.open()
    browser.choose(*photos)
    browser.wait(lambda: browser.statuses() == ["chosen"] * 3)
    assert browser.text("#restore") == "Restore all 3"
    browser.find("#restore").click()
    browser.wait(lambda: browser.statuses() == ["done", "done", "failed"])
    browser.wait(lambda: browser.text("#count") == "2 of 3 restored, 1 failed.")
    assert browser.see("#line")
    browser.all(".tile")[2].click()
    browser.reach("failed")
    assert "choose it again" in browser.see("#problem-advice").text
    assert not browser.find("#download").is_displayed()
    saved = browser.downloads / "restored-photos.zip"
    saved.unlink(missing_ok=True)
    browser.find("#download-all").click()
    browser.wait(saved.exists)
    with zipfile.ZipFile(saved) as archive:
        assert archive.namelist() == ["beach-restored.png", "beach-restored (2).png"]
        assert archive.testzip() is None
        assert Image.open(io.BytesIO(archive.read("beach-restored.png"))).size == (80, 60)
    browser.find("#strip > li:nth-child(3) .away").click()
    browser.wait(lambda: browser.statuses() == ["done", "done"])
    browser.wait(lambda: not list((tmp_path / "jobs" / "results").iterdir()))  # the service keeps nothing
    browser.assert_calm()


def test_photos_and_what_became_of_them_survive_a_reload(
    serve: Callable[..., Browser], server: FakeTorchServe, photos: list[Path], tmp_path: Path
) -> None:
    browser = serve(jobs_dir=tmp_path / "jobs")
    browser.open()
    browser.choose(photos[0])
    browser.restore()
    browser.choose(photos[1])
    browser.call(server.is_open.clear)
    count = len(server.inferences)
    browser.restore("working")
    browser.wait(lambda: len(server.inferences) == count + 1)
    browser.wait(lambda: browser.statuses() == ["done", "working"])
    browser.reload()
    browser.wait(lambda: browser.statuses() == ["done", "working"])
    browser.reach("working")
    browser.call(server.is_open.set)
    browser.reach("done")
    assert len(server.inferences) == count + 1  # the same job
    browser.all(".tile")[0].click()
    assert browser.see("#line")
    assert browser.text("#report-title")
    browser.find("#remove-all").click()
    browser.reach("empty")
    browser.reload()
    browser.see("#drop")
    assert browser.statuses() == []
    browser.assert_calm()


def test_a_photo_that_waits_says_how_long(
    serve: Callable[..., Browser], server: FakeTorchServe, root: Path, photo: Path, tmp_path: Path
) -> None:
    browser = serve(jobs_dir=tmp_path / "jobs")
    browser.open()
    browser.choose(photo)
    browser.call(server.is_open.clear)
    browser.restore("working")
    browser.wait(lambda: server.inferences and browser.find("#steps").is_displayed())
    assert browser.text("#progress-text").endswith((" left", "nearly done"))
    for stage in STAGES[:-1]:
        (root / server.inferences[-1]["workspace_id"] / f"{stage}.ran.state").touch()
    browser.wait(lambda: browser.text("#progress-text").endswith("nearly done"))
    browser.call(server.is_open.set)
    browser.reach("done")


def test_where_nothing_is_found_a_thorough_restoration_is_offered(
    serve: Callable[..., Browser], server: FakeTorchServe, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = server._run

    def find_nothing(body: bytes, headers: dict[str, Any]) -> bytes:
        report = json.loads(run(body, headers))
        report["estimates"] = {"preprocess": {"kind": "photograph", "confidence": 0.9, "mode": "gentle"}}
        for stage in report["trace"].values():
            stage["outcome"] = "passed"
        return json.dumps(report).encode()

    browser = serve()
    browser.open()
    browser.choose(photos[0])
    monkeypatch.setattr(server, "_run", find_nothing)
    browser.restore()
    assert browser.text("#report-title") == "Nothing was found to mend."
    count = len(server.inferences)
    browser.see("#suggestion").click()
    browser.wait(lambda: len(server.inferences) > count)
    browser.reach("done")
    assert server.inferences[-1]["options"]["mode"] == "thorough"
    browser.wait(lambda: not browser.find("#suggestion").is_displayed())


def test_scratches_spots_and_faces_are_counted(
    serve: Callable[..., Browser], server: FakeTorchServe, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = server._run

    def find_much(body: bytes, headers: dict[str, Any]) -> bytes:
        report = json.loads(run(body, headers))
        face = {"box": [1, 2, 3, 4], "score": 0.9, "refined": True, "reason": ""}
        report["estimates"]["translate"] = {"filled": 0.1, "tiles": 1, "tone": True}
        report["estimates"]["face"] = {"faces": [face, face, face | {"refined": False}]}
        return json.dumps(report).encode()

    mask = np.zeros((1, 60, 80), np.uint8)
    mask[0, 5:6, 5:70] = mask[0, 20:22, 5:70] = mask[0, 40:42, 40:42] = 255
    browser = serve()
    browser.open()
    browser.choose(photos[0])
    monkeypatch.setattr(server, "_run", find_much)
    monkeypatch.setattr("gateway.restore.results._read_mask", lambda *_: mask)
    browser.restore()
    assert (
        browser.text("#report-title") == "2 scratches and 1 spot mended, 2 faces refined, faded tone lifted."
    )
