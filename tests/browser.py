"""A real browser that looks at the pages: Debian's packages chromium and chromium-driver."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from gateway.settings import HOME

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="needs chromium and chromedriver: apt-get install chromium chromium-driver",
)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
AXE = HOME / "tests/generated/node_modules/axe-core/axe.min.js"
"""What `make test` installs from tests/generated/package-lock.json."""
needs_axe = pytest.mark.skipif(not AXE.exists(), reason="the packages of tests/generated are not installed")
_RUN_AXE = """
const [rules, done] = arguments;
const options = {resultTypes: ["violations"], ...(rules.length && {runOnly: rules})};
axe.run(document, options).then(({violations}) => done(violations.flatMap(
    ({id, nodes}) => nodes.map(({html}) => `${document.body.dataset.state}: ${id}: ${html}`))));
"""
_SHOWN = "return [location.href, `state: ${document.body.dataset.state}`, document.body.innerText]"
_WRITTEN = """
const [done] = arguments;
if (document.getElementById("strip")) import("/page/album.js").then(({written}) => written()).then(done, done);
else done();
"""
WAIT_S = 60
T = TypeVar("T")


class Chrome(webdriver.Chrome):
    """Chromium, and where it puts what it downloads."""

    downloads: Path


class Browser:
    """A browser that looks at one service."""

    call: Callable[..., Any]

    def __init__(self, driver: webdriver.Chrome, url: str, downloads: Path) -> None:
        self.driver = driver
        self.downloads = downloads
        self.url = url
        driver.get_log("browser")
        driver.get_log("performance")

    def open(self, path: str = "/", origin: str = "") -> None:
        self.written()
        self.driver.get((origin or self.url) + path)

    def reload(self) -> None:
        self.written()
        self.driver.refresh()

    def written(self) -> None:
        """Wait until the page, if it is that of restorations, has written down its photos.

        Left before, it asks the browser to ask, which complains that nobody has clicked on the page yet.
        """
        self.driver.execute_async_script(_WRITTEN)

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait(self, condition: Callable[[], T]) -> T:
        passing = [StaleElementReferenceException]  # the page was just drawn anew
        waiting = WebDriverWait(self.driver, WAIT_S, poll_frequency=0.02, ignored_exceptions=passing)
        try:
            return waiting.until(lambda _: condition())
        except TimeoutException as error:
            error.add_note(self.state())
            raise

    def state(self) -> str:
        """What the page shows and what the console holds, for who wonders why it was waited for in vain."""
        shown = self.driver.execute_script(_SHOWN)
        return "\n".join([*shown, f"photos: {self.statuses()}", *self.complaints()])

    def see(self, selector: str) -> WebElement:
        """Wait until something is shown."""
        self.wait(lambda: any(found.is_displayed() for found in self.all(selector)))
        return self.find(selector)

    def bring_up(self, selector: str) -> WebElement:
        """Scroll something to the middle of the window, clear of the bar of buttons."""
        found = self.find(selector)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
        return found

    def choose(self, *files: Path, state: str = "chosen") -> None:
        self.see("#form")
        self.find("#file").send_keys("\n".join(map(str, files)))
        self.reach(state)

    def restore(self, state: str = "done") -> None:
        self.find("#restore").click()
        self.reach(state)

    def reach(self, state: str) -> None:
        self.wait(lambda: self.find("body").get_attribute("data-state") == state)

    def text(self, selector: str) -> str:
        return self.find(selector).text

    def statuses(self) -> list[str | None]:
        """What became of each photo, in the order of the row."""
        return [tile.get_attribute("data-status") for tile in self.all("#strip > li")]

    def part(self) -> float:
        """How much of the original is shown, in percent of the width: by the clipping that the browser computed."""
        clipped = self.driver.execute_script(
            "return getComputedStyle(document.getElementById('before')).clipPath"
        )
        if clipped == "none":
            return 100
        return 100 - float(clipped.split("calc(")[1].split("%")[0]) if "calc(" in clipped else _kept(clipped)

    def violations(self, *rules: str) -> list[str]:
        """What axe finds wrong with the page as it is now, by these rules or by all."""
        self.driver.set_script_timeout(WAIT_S)
        self.driver.execute_script(AXE.read_text())
        return self.driver.execute_async_script(_RUN_AXE, list(rules))

    def complaints(self) -> list[str]:
        """What the console holds so far."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def addresses(self) -> list[str]:
        """What was asked for over the network so far."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [
            event["request"]["url"] for event in sent if event["request"]["url"].startswith(("http", "ws"))
        ]

    def assert_calm(self) -> None:
        """No complaint in the console, and nothing asked of another origin."""
        complaints = self.complaints()
        assert complaints == [], complaints
        assert {address for address in self.addresses() if not address.startswith(f"{self.url}/")} == set()


def _kept(clipped: str) -> float:
    """Of `inset(0px 40% 0px 0px)`."""
    return 100 - float(clipped.split()[1].rstrip("%"))


def downloaded(browser: Browser) -> bytes:
    """Click on Download; gives the file."""
    link = browser.find("#download")
    file = browser.downloads / str(link.get_attribute("download"))
    file.unlink(missing_ok=True)
    link.click()
    browser.wait(file.exists)
    return file.read_bytes()


@contextlib.contextmanager
def a_phone(browser: Browser) -> Iterator[None]:
    """Let the browser be a phone of 360 x 740 px until the block ends."""
    screen = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    try:
        yield
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
