"""In a real browser: axe looks at every state of the page."""

from collections.abc import Callable
from pathlib import Path

from selenium.webdriver import Keys
from selenium.webdriver.support.ui import Select

from gateway.http.keys import key_line, make_key
from tests.browser import Browser, a_phone, needs_axe, needs_chromium
from tests.edge import FakeTorchServe

pytestmark = [needs_chromium, needs_axe]


def test_axe_finds_nothing_wrong_in_any_state(
    serve: Callable[..., Browser], server: FakeTorchServe, photos: list[Path], large: Path, tmp_path: Path
) -> None:
    browser = serve(jobs_dir=tmp_path / "jobs")
    found: list[str] = []

    def look() -> None:
        for scheme, rules in (("light", ()), ("dark", ("color-contrast",))):
            features = [
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": "reduce"},  # else colours are still on their way
            ]
            browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            found.extend(f"{scheme}: {each}" for each in browser.violations(*rules))

    browser.open()
    browser.see("#form")
    look()
    browser.find("#more summary").click()
    browser.choose(*photos)
    browser.wait(lambda: browser.statuses() == ["chosen"] * 3)
    look_at_colours(browser, look)
    browser.see("#paint-start").click()
    browser.see("#paint.active").send_keys(Keys.SPACE, Keys.ARROW_RIGHT)
    look()
    browser.find("#restore").click()
    browser.wait(lambda: browser.statuses() == ["done", "done", "failed"])
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


def look_at_colours(browser: Browser, look: Callable[[], None]) -> None:
    """Look at the page while colours are given; then take them back."""
    colours = Select(browser.find("#option-colorize"))
    colours.select_by_value("exemplar")
    browser.see("#points-start").click()
    browser.see("#points.active").send_keys(Keys.SPACE, Keys.ARROW_RIGHT)
    look()
    browser.find("#points-clear").click()
    colours.select_by_value("")


def test_axe_finds_nothing_wrong_where_a_key_is_asked_for(
    serve: Callable[..., Browser], tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text(key_line("album", make_key()))
    browser = serve(keys_file=tmp_path / "keys")
    browser.open()
    browser.see("#key").send_keys("wrong", Keys.ENTER)
    browser.see("#key-wrong")
    assert browser.violations() == []
