"""In a real browser: what is kept of photos while writing it down takes time, as on a busy disk."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.browser import Browser, needs_chromium

pytestmark = needs_chromium

SLOW_LOCKS = """
const {request} = LockManager.prototype;
const free = new Promise((resolve) => { globalThis.freeLocks = resolve; });
LockManager.prototype.request = async function (...args) { await free; return request.apply(this, args); };
"""
HOLD_WRITES = """
const free = new Promise((resolve) => { globalThis.freeWrites = resolve; });
Object.defineProperty(IDBTransaction.prototype, "oncomplete", {
    set(listener) { this.addEventListener("complete", () => free.then(listener)); }});
"""
IS_LEFT = "return dispatchEvent(new Event('beforeunload', {cancelable: true}))"


@contextlib.contextmanager
def at_start(browser: Browser, script: str) -> Iterator[None]:
    """Let pages begin with a script until the block ends."""
    source = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    try:
        yield
    finally:
        browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", source)


def test_a_photo_chosen_before_it_is_known_what_was_kept_is_there_once(
    serve: Callable[..., Browser], photo: Path
) -> None:
    browser = serve()
    with at_start(browser, SLOW_LOCKS):
        browser.open()
        browser.choose(photo)
        browser.driver.execute_script("freeLocks()")
        browser.written()
    browser.restore()
    asked = [address for address in browser.addresses() if "/v1/restore" in address]
    assert asked == [f"{browser.url}/v1/restore?format=png&return=bundle"]
    browser.reload()
    browser.reach("done")
    assert browser.statuses() == ["done"]
    browser.assert_calm()


def test_the_page_is_not_left_unasked_before_a_photo_is_written_down(
    serve: Callable[..., Browser], photo: Path
) -> None:
    browser = serve()
    browser.open()
    browser.choose(photo)
    browser.written()
    assert browser.driver.execute_script(IS_LEFT)
    browser.driver.execute_script(HOLD_WRITES)
    browser.choose(photo)
    browser.wait(lambda: browser.statuses() == ["chosen"] * 2)
    assert not browser.driver.execute_script(IS_LEFT)
    browser.driver.execute_script("freeWrites()")
    browser.written()
    assert browser.driver.execute_script(IS_LEFT)
    browser.driver.refresh()
    browser.wait(lambda: browser.statuses() == ["chosen"] * 2)


def test_a_photo_that_was_left_before_it_was_known_is_looked_at_again(
    serve: Callable[..., Browser], photo: Path
) -> None:
    browser = serve()
    browser.open()
    browser.choose(photo)
    forget = "import('/page/album.js').then(({album, change}) => change(album.selected, {isShown: null}))"
    browser.driver.execute_script(f"return {forget}")
    browser.reload()
    browser.reach("chosen")
    assert browser.see("#before").size["width"] > 0


def test_the_service_keeps_a_result_until_it_is_written_down(
    serve: Callable[..., Browser], photo: Path, tmp_path: Path
) -> None:
    browser = serve(jobs_dir=tmp_path / "jobs")
    browser.open()
    browser.choose(photo)
    browser.driver.execute_script(HOLD_WRITES)
    browser.restore()
    results = tmp_path / "jobs" / "results"
    time.sleep(0.2)  # in which a request that it forget the result would arrive
    assert list(results.iterdir())
    browser.driver.execute_script("freeWrites()")
    browser.wait(lambda: not list(results.iterdir()))
