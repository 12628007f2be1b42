"""In a real browser: the options are those of the service."""

import io
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from PIL import Image
from selenium.webdriver import Keys

from photorestore.options import SELECTABLE_STAGES, describe
from tests.browser import Browser, downloaded, needs_chromium
from tests.edge import FakeTorchServe

pytestmark = needs_chromium


def test_options_are_those_of_the_service_and_are_sent(
    serve: Callable[..., Browser], server: FakeTorchServe, photo: Path
) -> None:
    browser = serve()
    browser.open()
    browser.choose(photo)
    assert "drawings and text not at all" in browser.text("#hint-mode")
    browser.find("label:has(#mode-thorough)").click()
    assert "at full strength" in browser.text("#hint-mode")
    browser.find("label:has(#normalise-true)").click()
    browser.find("#more summary").click()
    browser.see("#stages-chosen")
    browser.bring_up("#stages-chosen").click()
    assert [box.get_attribute("value") for box in browser.all(".choices input")] == list(SELECTABLE_STAGES)
    browser.bring_up("#stages-denoise").click()
    browser.find("#option-strength").send_keys(Keys.ARROW_LEFT * 30)
    browser.bring_up("#option-format option[value=tiff]").click()
    browser.find("#option-sigma_255").send_keys("12.5")
    browser.bring_up("#option-metadata option[value=strip]").click()
    browser.restore()
    sent = server.inferences[-1]["options"]
    assert (sent["mode"], sent["stages"]) == ("thorough", ["denoise"])
    assert (sent["strength"], sent["sigma_255"], sent["normalise"]) == (0.7, 12.5, True)
    assert (sent["format"], sent["metadata"], sent["quality"]) == ("tiff", "strip", 95)
    assert "cannot show TIFF" in browser.text("#blank")
    assert browser.find("#slider").get_property("hidden")
    assert Image.open(io.BytesIO(downloaded(browser))).format == "TIFF"
    browser.assert_calm()


def test_options_and_stages_that_the_page_was_not_made_for_appear_by_themselves(
    serve: Callable[..., Browser], photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = describe() | {
        "stages": {"type": "array", "items": {"type": "string", "enum": ["denoise", "face", "deep_sky"]}},
        "scale": {"type": "integer", "enum": [1, 2, 4], "default": 1},
        "sepia_tone": {"type": "boolean", "default": False, "description": "true or false"},
    }
    monkeypatch.setattr("gateway.routes.stages.describe", lambda: new)
    browser = serve()
    browser.open()
    browser.choose(photo)
    scales = [label.text for label in browser.all("label:has([name=scale])")]
    assert scales == ["No", "\u00d7 2", "\u00d7 4"]
    browser.bring_up("label:has(#scale-2)").click()
    browser.bring_up("#more summary").click()
    browser.see("#stages-chosen")
    browser.bring_up("#stages-chosen").click()
    assert [label.text for label in browser.all(".choices label")][1:] == ["Faces", "Deep sky"]
    browser.bring_up("#stages-face").click()
    browser.bring_up("#option-sepia_tone").click()
    browser.restore("failed")  # these stages do not know them
    (sent,) = [address for address in browser.addresses() if "/v1/restore" in address]
    assert dict(parse_qsl(urlsplit(sent).query)) == {
        "stages": "face", "scale": "2", "sepia_tone": "true", "format": "png", "return": "bundle",
    }  # fmt: skip
    assert "sepia_tone" in browser.see("#problem-detail").text


def test_tiers_can_be_chosen_where_a_stage_has_several(
    serve: Callable[..., Browser], server: FakeTorchServe, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = serve()
    browser.open()
    browser.choose(photo)
    assert browser.all("#option-tier") == []
    monkeypatch.setattr("gateway.restore.release.tiers", lambda _: {"denoise": ("fast", "quality")})
    browser = serve()
    browser.open()
    browser.choose(photo)
    browser.find("#more summary").click()
    browser.see("#option-tier option[value=fast]").click()
    browser.restore()
    assert server.inferences[-1]["options"]["tier"] == "fast"
    browser.assert_calm()


def test_options_out_of_range_are_not_sent(
    serve: Callable[..., Browser], server: FakeTorchServe, photo: Path
) -> None:
    browser = serve()
    browser.open()
    browser.choose(photo)
    browser.find("#more summary").click()
    browser.see("#option-quality").send_keys("0000")
    browser.find("#more summary").click()
    count = len(server.inferences)
    browser.find("#restore").click()
    browser.see("#option-quality")  # opened to show what is wrong
    assert browser.find("body").get_attribute("data-state") == "chosen"
    assert len(server.inferences) == count
