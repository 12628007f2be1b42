"""In a real browser: the photo is zoomed into by wheel, keys, buttons and fingers."""

from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

from tests.browser import Browser, a_phone, needs_chromium

pytestmark = needs_chromium


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
