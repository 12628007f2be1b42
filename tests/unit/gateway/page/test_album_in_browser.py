"""In a real browser: several photos at once, kept over a reload, zoomed into, saved together."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

from gateway.http.keys import key_line, make_key
from photorestore.options import STAGES
from tests.browser import Browser, a_phone, needs_axe, needs_chromium
from tests.conftest import make_photo
from tests.edge import FakeTorchServe

pytestmark = needs_chromium


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Two whole pictures of one name, and a broken one."""
    files = [tmp_path / folder / "beach.png" for folder in ("one", "two", "broken")]
    for seed, file in enumerate(files):
        file.parent.mkdir()
        Image.fromarray(make_photo(60, 80, seed)).save(file)
    files[2].write_bytes(files[2].read_bytes()[:2000])
    return files


def statuses(browser: Browser) -> list[str | None]:
    return [tile.get_attribute("data-status") for tile in browser.all("#strip > li")]


def test_several_photos_are_restored_shown_one_by_one_and_saved_together(
    serve: Callable[..., Browser], photos: list[Path], tmp_path: Path
) -> None:
    browser = serve(jobs_dir=tmp_path / "jobs")
    browser.open()
    browser.choose(*photos)
    browser.wait(lambda: statuses(browser) == ["chosen"] * 3)
    assert browser.text("#restore") == "Restore all 3"
    browser.find("#restore").click()
    browser.wait(lambda: statuses(browser) == ["done", "done", "failed"])
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
    assert statuses(browser) == ["done", "done"]
    assert not list((tmp_path / "jobs" / "results").iterdir())  # the service keeps nothing of them
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
    browser.wait(lambda: statuses(browser) == ["done", "working"])
    browser.driver.refresh()
    browser.wait(lambda: statuses(browser) == ["done", "working"])
    browser.reach("working")
    browser.call(server.is_open.set)
    browser.reach("done")
    assert len(server.inferences) == count + 1  # the same job
    browser.all(".tile")[0].click()
    assert browser.see("#line")
    assert browser.text("#report-title")
    browser.find("#remove-all").click()
    browser.reach("empty")
    browser.driver.refresh()
    browser.see("#drop")
    assert statuses(browser) == []
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


def shift(browser: Browser) -> tuple[float, float]:
    """How much the picture is enlarged, and how far it is moved to the right."""
    script = "const {a, e} = new DOMMatrix(document.getElementById('view').style.transform); return [a, e]"
    scale, x = browser.driver.execute_script(script)
    return scale, x


def test_the_photo_is_zoomed_into_below_the_line_that_compares(
    serve: Callable[..., Browser], photo: Path
) -> None:
    browser = serve()
    browser.open()
    browser.choose(photo)
    browser.restore()
    window, line = browser.see("#window"), browser.see("#line")
    assert (shift(browser), browser.part()) == ((1, 0), 50)
    quarter = window.size["width"] // 4
    place = line.location["x"]
    origin = ScrollOrigin.from_element(window, -quarter, 0)
    ActionChains(browser.driver).scroll_from_origin(origin, 0, -100).perform()
    scale, x = shift(browser)
    assert scale == pytest.approx(1.396, abs=0.01)  # exp(1 / 3)
    assert x == pytest.approx(-(scale - 1) * quarter, abs=1)  # what is below the pointer stays there
    assert line.location["x"] == place
    shown = 100 * (2 * quarter - x) / scale / (4 * quarter)
    assert browser.part() == pytest.approx(shown, abs=1)
    at = ActionChains(browser.driver).move_to_element_with_offset(window, quarter, 0)
    at.click_and_hold().move_by_offset(-20, 0).release().perform()
    assert shift(browser)[1] == pytest.approx(x - 20, abs=1)
    browser.find("#slider").send_keys("0")
    assert shift(browser) == (1, 0)
    browser.find("#slider").send_keys("++")
    assert shift(browser)[0] == pytest.approx(1.25**2)
    before = shift(browser)[1]
    browser.find("#slider").send_keys(Keys.SHIFT, Keys.ARROW_LEFT)
    assert shift(browser)[1] == pytest.approx(min(before + 60, 0))
    browser.find("#zoom-fit").click()
    assert shift(browser) == (1, 0)
    browser.assert_calm()


def test_two_fingers_zoom_and_keep_what_lies_below_them(serve: Callable[..., Browser], photo: Path) -> None:
    browser = serve()
    with a_phone(browser):
        browser.open()
        browser.choose(photo)
        window = browser.see("#window")
        x, y = window.location["x"], window.location["y"]
        width = window.size["width"]
        top = y + 40 - browser.driver.execute_script("return scrollY")
        fingers = [
            [{"x": x + width / 2 - apart, "y": top, "id": 0}, {"x": x + width / 2 + apart, "y": top, "id": 1}]
            for apart in (20, 30, 40)
        ]
        for kind, points in zip(("touchStart", "touchMove", "touchMove"), fingers, strict=True):
            event = {"type": kind, "touchPoints": points}
            browser.driver.execute_cdp_cmd("Input.dispatchTouchEvent", event)
        browser.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        browser.wait(lambda: shift(browser)[0] > 1.9)
        scale, moved = shift(browser)
        assert scale == pytest.approx(2, abs=0.05)
        assert moved == pytest.approx(-width / 2, abs=3)


@needs_axe
def test_axe_finds_nothing_wrong_in_any_state(
    serve: Callable[..., Browser], server: FakeTorchServe, photos: list[Path], large: Path, tmp_path: Path
) -> None:
    browser = serve(jobs_dir=tmp_path / "jobs")
    found: list[str] = []

    def look() -> None:
        for scheme in ("light", "dark"):
            feature = {"name": "prefers-color-scheme", "value": scheme}
            browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
            found.extend(f"{scheme}: {each}" for each in browser.violations())

    browser.open()
    browser.see("#form")
    look()
    browser.find("#more summary").click()
    browser.choose(*photos)
    browser.wait(lambda: statuses(browser) == ["chosen"] * 3)
    browser.see("#paint-start").click()
    browser.see("#paint.active").send_keys(Keys.SPACE, Keys.ARROW_RIGHT)
    look()
    browser.find("#restore").click()
    browser.wait(lambda: statuses(browser) == ["done", "done", "failed"])
    browser.reach("done")
    browser.see("#zoom-in").click()
    browser.find("#details > summary").click()
    browser.find("#details details summary").click()
    browser.see("#filled-show").click()
    with a_phone(browser):
        look()
    browser.all(".tile")[2].click()
    browser.reach("failed")
    look()
    browser.call(server.is_open.clear)
    browser.choose(large)
    browser.restore("working")
    browser.wait(lambda: browser.find("#steps").is_displayed())
    look()
    browser.find("#cancel").click()
    browser.reach("chosen")
    browser.call(server.is_open.set)
    browser.driver.set_network_conditions(offline=True, latency=0, throughput=-1)
    try:
        browser.restore("failed")
        assert "safe in this browser" in browser.see("#problem-advice").text
        look()
    finally:
        browser.driver.delete_network_conditions()
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert found == []


@needs_axe
def test_axe_finds_nothing_wrong_where_a_key_is_asked_for(
    serve: Callable[..., Browser], tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text(key_line("album", make_key()))
    browser = serve(keys_file=tmp_path / "keys")
    browser.open()
    browser.see("#key").send_keys("wrong", Keys.ENTER)
    browser.see("#key-wrong")
    assert browser.violations() == []
