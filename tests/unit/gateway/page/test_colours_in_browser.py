"""Colours for grey photographs: pressed onto them, or taken from another photograph."""

import io
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.browser import Browser, downloaded, needs_chromium
from tests.conftest import make_photo

pytestmark = needs_chromium

SET_COLOUR = "arguments[0].value = arguments[1]"


@pytest.fixture
def grey(tmp_path: Path) -> Path:
    """A grey photograph."""
    file = tmp_path / "grey.png"
    Image.fromarray(make_photo(96, 128)).convert("L").save(file)
    return file


def asked_for(browser: Browser) -> list[str]:
    """The addresses to which photos were sent."""
    return [address for address in browser.addresses() if "return=bundle" in address]


def test_colours_are_given_where_the_photo_is_pressed(serve: Callable[..., Browser], grey: Path) -> None:
    browser = serve()
    browser.open()
    browser.choose(grey)
    browser.find("#points-start").click()
    points = browser.see("#points.active")
    browser.driver.execute_script(SET_COLOUR, browser.find("#point-colour"), "#c02020")
    for x in (0, 60):
        ActionChains(browser.driver).move_to_element_with_offset(points, x, 0).click().perform()
    assert len(browser.all(".point")) == 2
    browser.all(".point")[1].click()
    assert len(browser.all(".point")) == 1
    browser.restore()
    (address,) = asked_for(browser)
    (hint,) = parse_qs(urlsplit(address).query)["hints"]
    column, row, colour = hint.split(",")
    assert colour == "#c02020"
    assert (int(column), int(row)) in {(64 + x, 48 + y) for x in (-1, 0) for y in (-1, 0)}
    pixels = np.asarray(Image.open(io.BytesIO(downloaded(browser))).convert("RGB")).astype(int)
    red, green, blue = pixels[int(row), int(column)]
    assert red > max(green, blue) + 20
    browser.assert_calm()


def test_colours_are_given_by_keyboard_and_stay_when_the_page_is_loaded_anew(
    serve: Callable[..., Browser], grey: Path
) -> None:
    browser = serve()
    browser.open()
    browser.choose(grey)
    browser.find("#points-start").click()
    browser.see("#points").send_keys(Keys.ARROW_LEFT * 3, Keys.SPACE, Keys.ARROW_DOWN * 4, Keys.SPACE)
    assert len(browser.all(".point")) == 2
    browser.find("#paint-start").click()
    assert browser.find("#points-start").get_attribute("aria-pressed") == "false"
    browser.reload()
    browser.reach("chosen")
    browser.wait(lambda: len(browser.all(".point")) == 2)
    browser.find("#points-start").click()
    browser.find("#points-clear").click()
    assert browser.all(".point") == []


def test_a_reference_is_asked_for_where_colours_come_from_one_and_is_sent(
    serve: Callable[..., Browser], grey: Path, photo: Path
) -> None:
    browser = serve()
    browser.open()
    browser.choose(grey)
    browser.find("#more > summary").click()
    choice = Select(browser.find("#option-colorize"))
    assert not browser.find("#reference").is_displayed()
    choice.select_by_value("transfer")
    browser.find("#restore").click()
    is_missing = "return document.getElementById('reference').validity.valueMissing"
    assert browser.driver.execute_script(is_missing)
    browser.find("#reference").send_keys(str(photo))
    assert browser.see(".reference img").size["width"] > 0
    assert browser.driver.execute_script("return document.body.scrollWidth <= innerWidth")
    browser.restore()
    browser.find("#details > summary").click()
    browser.find("#details > details > summary").click()
    assert '"method": "transfer"' in browser.text("#report-json")
    choice.select_by_value("learned")
    assert not browser.find("#reference").is_displayed()
    browser.restore()
    assert browser.complaints() == []
