"""In a real browser: a photo is chosen, painted on, restored, compared and downloaded."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By

from photorestore.options import STAGES
from tests.browser import Browser, a_phone, downloaded, needs_chromium
from tests.conftest import make_photo
from tests.edge import FakeTorchServe

pytestmark = needs_chromium


def test_a_photo_is_restored_compared_and_downloaded(serve: Callable[..., Browser], photo: Path) -> None:
    browser = serve()
    browser.open()
    browser.choose(photo)
    assert browser.find("#slider").get_property("hidden")
    browser.restore()
    assert browser.text("#report-title") == "Noise removed."
    browser.find("#details > summary").click()
    rows = browser.all("#report-stages li")
    assert [row.get_attribute("data-stage") for row in rows] == list(STAGES)
    for row in rows:
        assert row.find_element(By.CSS_SELECTOR, ".time").text.endswith((" ms", " s"))
        assert row.find_element(By.CSS_SELECTOR, ".note").text
        assert row.find_element(By.CSS_SELECTOR, ".bar i").size["width"] > 0
    outcomes = {row.get_attribute("data-stage"): row.get_attribute("data-outcome") for row in rows}
    assert (outcomes["denoise"], outcomes["translate"]) == ("ran", "passed")
    assert "120 \u00d7 90 px" in browser.text("#report-facts")
    assert (
        json.loads(browser.find("#report-json").get_attribute("textContent") or "")["content_type"]
        == "image/png"
    )
    content = downloaded(browser)
    assert browser.find("#download").get_attribute("download") == "grand ma.1951-restored.png"
    with Image.open(io.BytesIO(content)) as restored:
        assert (restored.format, restored.size) == ("PNG", (120, 90))
    assert [address for address in browser.addresses() if "/v1/" in address] == [
        f"{browser.url}/v1/stages",
        f"{browser.url}/v1/restore?format=png&return=bundle",
    ]
    browser.assert_calm()


def test_the_slider_moves_by_keyboard_and_by_pointer(serve: Callable[..., Browser], photo: Path) -> None:
    browser = serve()
    browser.open()
    browser.choose(photo)
    assert browser.part() == 100
    browser.restore()
    slider, window = browser.find("#slider"), browser.find("#window")
    assert browser.find("#line").is_displayed()
    assert browser.part() == 50
    slider.send_keys(Keys.ARROW_LEFT * 3)
    assert browser.part() == 47
    assert slider.get_attribute("aria-valuetext") == "47 % original"
    slider.send_keys(Keys.END)
    assert browser.part() == 100
    quarter = -slider.size["width"] // 4
    ActionChains(browser.driver).move_to_element_with_offset(window, quarter, 0).click().perform()
    assert 20 <= browser.part() <= 30
    ActionChains(browser.driver).click_and_hold().move_by_offset(-2 * quarter, 0).release().perform()
    assert 70 <= browser.part() <= 80
    browser.assert_calm()


def test_the_report_says_what_the_picture_was_judged_to_be_and_that_nothing_was_changed(
    serve: Callable[..., Browser], server: FakeTorchServe, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judgements = [
        {
            "kind": "print",
            "confidence": 0.97,
            "damaged": True,
            "noisy": False,
            "faded": True,
            "mode": "thorough",
        },
        {"kind": "line_art", "confidence": 0.99, "mode": "untouched"},
    ]
    run = server._run

    def judge(body: bytes, headers: dict[str, Any]) -> bytes:
        report, options = json.loads(run(body, headers)), json.loads(body)["options"]
        for key in ("kind", "confidence", "damaged", "noisy", "faded", "toned", "mode"):
            report["estimates"]["preprocess"].pop(key, None)
        report["estimates"]["preprocess"] |= judgements[options["strength"] != 1.0]
        return json.dumps(report).encode()

    browser = serve()
    browser.open()
    browser.choose(photo)
    monkeypatch.setattr(server, "_run", judge)
    browser.restore()
    browser.find("#details > summary").click()
    assert browser.text("#report-judgement") == "Judged a damaged, faded print (97 % sure): thorough."
    assert "byte for byte" not in browser.text("#report-facts")
    browser.find("#more summary").click()
    browser.see("#option-strength").send_keys(Keys.HOME)
    browser.restore()
    browser.wait(lambda: "a drawing or text" in browser.text("#report-title"))
    browser.find("#details > summary").click()
    assert browser.text("#report-judgement") == "Judged line art or text (99 % sure): left as it is."
    assert "byte for byte" in browser.text("#report-facts")
    browser.assert_calm()


BOX = "return arguments[0].getBoundingClientRect().toJSON()"
IS_PAINTED = """
const {width, height} = arguments[0];
const context = new OffscreenCanvas(width, height).getContext("2d");
context.drawImage(arguments[0], 0, 0);
return context.getImageData(0, 0, width, height).data.some(Boolean);
"""


def test_what_is_painted_is_filled_and_nothing_else_changes(
    serve: Callable[..., Browser], photo: Path
) -> None:
    browser = serve()
    browser.open()
    browser.choose(photo)
    browser.find("#paint-start").click()
    canvas = browser.see("#paint.active")

    def stroke(y: int) -> None:
        actions = ActionChains(browser.driver).move_to_element_with_offset(canvas, -40, y)
        actions.click_and_hold().move_by_offset(80, 0).release().perform()

    def is_painted() -> bool:
        return browser.driver.execute_script(IS_PAINTED, canvas)

    stroke(0)
    assert is_painted()
    browser.find("#undo").click()
    assert not is_painted()
    stroke(-30)
    stroke(30)
    browser.find("#clear").click()
    assert not is_painted()
    canvas.send_keys(Keys.ARROW_LEFT * 3, Keys.SPACE, Keys.ARROW_RIGHT * 6, Keys.SPACE)
    assert is_painted()
    browser.restore()
    assert browser.text("#report-title") == "What you painted over is filled."
    browser.find("#details > summary").click()
    notes = {row.get_attribute("data-stage"): row.text for row in browser.all("#report-stages li")}
    assert "a mask was given" in notes["scratch"]
    assert "filled" in notes["translate"]
    before = np.asarray(Image.open(photo)).astype(int)
    changed = (np.asarray(Image.open(io.BytesIO(downloaded(browser)))) != before).any(-1)
    rows, columns = np.nonzero(changed)
    assert 0 < changed.mean() < 0.4
    assert (rows.min() > 10, rows.max() < 80) == (True, True)  # a band across the middle
    assert columns.max() - columns.min() > 20
    browser.find("#filled-show").click()
    assert browser.see("#filled").size["width"] > 0
    browser.assert_calm()


def test_a_photo_that_its_exif_turns_can_be_painted_on(serve: Callable[..., Browser], tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    file = tmp_path / "turned.jpg"
    Image.fromarray(make_photo(60, 100)).save(file, exif=exif.tobytes())
    browser = serve()
    browser.open()
    browser.choose(file)
    browser.find("#paint-start").click()
    browser.see("#paint").send_keys(Keys.SPACE, Keys.ARROW_DOWN, Keys.SPACE)
    browser.restore()  # a mask of another size would be refused
    assert Image.open(io.BytesIO(downloaded(browser))).size == (60, 100)


@pytest.mark.parametrize("kind", ["tif", "heic"])
def test_files_that_the_browser_cannot_show_are_restored_and_compared_by_a_copy_of_the_service(
    serve: Callable[..., Browser], tmp_path: Path, kind: str
) -> None:
    file = tmp_path / f"scan.{kind}"
    picture = Image.fromarray(make_photo(60, 80))
    if kind == "heic":
        pillow_heif.from_pillow(picture).save(file)
    else:
        picture.save(file)
    browser = serve()
    browser.open()
    browser.choose(file)
    assert f"cannot show {kind.upper()} files" in browser.see("#blank").text
    assert not browser.find("#paint-start").is_displayed()
    assert [address for address in browser.addresses() if "restore" in address] == []
    browser.restore()
    browser.see("#line")
    assert browser.find("#before").size == browser.find("#after").size
    name = browser.find("#download").get_attribute("download")
    assert name == {"tif": "scan-restored.png", "heic": "scan-restored.jpg"}[kind]
    browser.assert_calm()


def test_a_copy_of_what_the_browser_cannot_show_can_be_asked_for_and_painted_on(
    serve: Callable[..., Browser], tmp_path: Path
) -> None:
    file = tmp_path / "scan.tif"
    Image.fromarray(make_photo(60, 80)).save(file)
    browser = serve()
    browser.open()
    browser.choose(file)
    browser.see("#preview").click()
    browser.see("#paint-start").click()
    browser.see("#paint").send_keys(Keys.SPACE, Keys.ARROW_DOWN, Keys.SPACE)
    browser.restore()  # a mask of another size would be refused
    assert browser.text("#report-title") == "What you painted over is filled."


def test_the_sample_is_there_to_try(serve: Callable[..., Browser]) -> None:
    browser = serve()
    browser.open()
    browser.see("#sample").click()
    browser.reach("chosen")
    assert browser.see("#before").size["width"] > 200
    browser.assert_calm()


def test_everything_fits_on_a_phone_and_the_button_is_in_reach(
    serve: Callable[..., Browser], photo: Path
) -> None:
    browser = serve()
    with a_phone(browser):
        browser.open()
        browser.see("#form")
        assert not browser.find("#restore").is_displayed()  # there is nothing to restore
        steps: dict[str, Callable[[], object]] = {
            "#restore": lambda: browser.choose(photo),
            "#download": browser.restore,
        }
        for button, step in steps.items():
            step()
            width = browser.driver.execute_script("return document.documentElement.scrollWidth")
            assert width <= 360
            box = browser.driver.execute_script(BOX, browser.see(button))
            assert 600 < box["top"] < box["bottom"] <= 740
