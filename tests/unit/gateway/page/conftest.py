"""A browser, a service before it, and photographs to restore."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from PIL import Image
from selenium import webdriver

from tests.browser import CHROMIUM, DRIVER, FLAGS, Browser, Chrome
from tests.conftest import add_noise, make_photo
from tests.edge import FakeTorchServe, listening


@pytest.fixture(scope="package")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    profile, downloads = tmp_path_factory.mktemp("profile"), tmp_path_factory.mktemp("downloads")
    for flag in (*FLAGS, f"--user-data-dir={profile}", "--window-size=1280,900"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    running = Chrome(options, webdriver.ChromeService(DRIVER))
    running.downloads = downloads
    yield running
    running.quit()


@pytest.fixture
def serve(server: FakeTorchServe, root: Path, driver: Chrome) -> Iterator[Callable[..., Browser]]:
    """Start the service with some settings; gives a browser that looks at it."""
    with contextlib.ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())

        def start(**settings: Any) -> Browser:
            running = portal.wrap_async_context_manager(listening(server, root, **settings))
            port, _ = stack.enter_context(running)
            stack.callback(driver.get, "about:blank")  # connections that are kept open delay the end
            browser = Browser(driver, f"http://127.0.0.1:{port}", driver.downloads)
            browser.call = portal.call
            return browser

        yield start


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A noisy picture in a file."""
    file = tmp_path / "grand ma.1951.png"
    Image.fromarray(add_noise(make_photo(90, 120), 25)).save(file)
    return file


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A picture that takes some time."""
    file = tmp_path / "large.jpg"
    Image.fromarray(make_photo(1000, 1100)).save(file)
    return file


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Two whole pictures of one name, and a broken one."""
    files = [tmp_path / folder / "beach.png" for folder in ("one", "two", "broken")]
    for seed, file in enumerate(files):
        file.parent.mkdir()
        Image.fromarray(make_photo(60, 80, seed)).save(file)
    files[2].write_bytes(files[2].read_bytes()[:2000])
    return files
