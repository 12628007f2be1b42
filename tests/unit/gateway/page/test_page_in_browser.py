"""The pages in a real browser, before the real stages: Debian's packages chromium and chromium-driver."""

import contextlib
import io
import json
import shutil
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import httpx
import numpy as np
import pytest
from anyio.from_thread import start_blocking_portal
from PIL import Image
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from gateway.http.keys import key_line, make_key
from photorestore.options import SELECTABLE_STAGES, STAGES, describe
from tests.conftest import add_noise, make_photo
from tests.edge import FakeTorchServe, listening

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="needs chromium and chromedriver: apt-get install chromium chromium-driver",
)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
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
        self.driver.get((origin or self.url) + path)

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait(self, condition: Callable[[], T]) -> T:
        return WebDriverWait(self.driver, WAIT_S, poll_frequency=0.02).until(lambda _: condition())

    def see(self, selector: str) -> WebElement:
        """Wait until something is shown."""
        self.wait(lambda: any(found.is_displayed() for found in self.all(selector)))
        return self.find(selector)

    def choose(self, file: Path, state: str = "chosen") -> None:
        self.see("#form")
        self.find("#file").send_keys(str(file))
        self.reach(state)

    def restore(self, state: str = "done") -> None:
        self.find("#restore").click()
        self.reach(state)

    def reach(self, state: str) -> None:
        self.wait(lambda: self.find("body").get_attribute("data-state") == state)

    def text(self, selector: str) -> str:
        return self.find(selector).text

    def part(self) -> float:
        """How much of the original is shown, in percent of the width: by the clipping that the browser computed."""
        clipped = self.driver.execute_script(
            "return getComputedStyle(document.getElementById('before')).clipPath"
        )
        return 100 - float(clipped.split("calc(")[1].split("%")[0]) if "calc(" in clipped else _kept(clipped)

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
        assert self.complaints() == []
        assert {address for address in self.addresses() if not address.startswith(f"{self.url}/")} == set()


def _kept(clipped: str) -> float:
    """Of `inset(0px 40% 0px 0px)`."""
    return 100 - float(clipped.split()[1].rstrip("%"))


@pytest.fixture(scope="module")
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


def downloaded(browser: Browser) -> bytes:
    """Click on Download; gives the file."""
    link = browser.find("#download")
    file = browser.downloads / str(link.get_attribute("download"))
    file.unlink(missing_ok=True)
    link.click()
    browser.wait(file.exists)
    return file.read_bytes()


def test_a_photo_is_restored_compared_and_downloaded(serve: Callable[..., Browser], photo: Path) -> None:
    browser = serve()
    browser.open()
    browser.choose(photo)
    assert browser.find("#slider").get_property("hidden")
    browser.restore()
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
    slider = browser.find("#slider")  # transparent: the line and the knob below it are what one sees
    assert browser.find("#line").is_displayed()
    assert browser.part() == 50
    slider.send_keys(Keys.ARROW_LEFT * 3)
    assert browser.part() == 47
    assert slider.get_attribute("aria-valuetext") == "47 % original"
    slider.send_keys(Keys.END)
    assert browser.part() == 100
    quarter = -slider.size["width"] // 4
    ActionChains(browser.driver).move_to_element_with_offset(slider, quarter, 0).click().perform()
    assert 20 <= browser.part() <= 30
    ActionChains(browser.driver).click_and_hold().move_by_offset(-2 * quarter, 0).release().perform()
    assert 70 <= browser.part() <= 80
    browser.assert_calm()


def test_options_are_those_of_the_service_and_are_sent(
    serve: Callable[..., Browser], server: FakeTorchServe, photo: Path
) -> None:
    browser = serve()
    browser.open()
    browser.choose(photo)
    assert "beyond doubt" in browser.text("#hint-mode")
    browser.find("#option-mode option[value=thorough]").click()
    browser.find("#stages-chosen").click()
    assert [box.get_attribute("value") for box in browser.all(".choices input")] == list(SELECTABLE_STAGES)
    browser.find("#stages-denoise").click()
    browser.find("#option-strength").send_keys(Keys.ARROW_LEFT * 30)
    browser.find("#option-format option[value=tiff]").click()
    browser.find("#more summary").click()
    browser.see("#option-normalise").click()
    browser.find("#option-sigma_255").send_keys("12.5")
    browser.find("#option-metadata option[value=strip]").click()
    browser.restore()
    sent = server.inferences[-1]["options"]
    assert (sent["mode"], sent["stages"]) == ("thorough", ["denoise"])
    assert (sent["strength"], sent["sigma_255"], sent["normalise"]) == (0.7, 12.5, True)
    assert (sent["format"], sent["metadata"], sent["quality"]) == ("tiff", "strip", 95)
    assert "cannot show TIFF" in browser.text("#blank")
    assert browser.find("#slider").get_property("hidden")
    assert Image.open(io.BytesIO(downloaded(browser))).format == "TIFF"
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
        report = json.loads(run(body, headers))
        for key in ("kind", "confidence", "damaged", "noisy", "faded", "toned", "mode"):
            report["estimates"]["preprocess"].pop(key, None)
        report["estimates"]["preprocess"] |= judgements.pop(0)
        return json.dumps(report).encode()

    browser = serve()
    browser.open()
    browser.choose(photo)
    monkeypatch.setattr(server, "_run", judge)
    browser.restore()
    assert browser.text("#report-judgement") == "Judged a damaged, faded print (97 % sure): thorough."
    assert "byte for byte" not in browser.text("#report-facts")
    browser.find("#option-strength").send_keys(Keys.HOME)
    browser.restore()
    browser.wait(lambda: "line art" in browser.text("#report-judgement"))
    assert browser.text("#report-judgement") == "Judged line art or text (99 % sure): left as it is."
    assert "byte for byte" in browser.text("#report-facts")
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
    assert [option.text for option in browser.all("#option-scale option")] == [
        "\u00d7 1",
        "\u00d7 2",
        "\u00d7 4",
    ]
    browser.find("#stages-chosen").click()
    assert [label.text for label in browser.all(".choices label")][1:] == ["Faces", "Deep sky"]
    browser.find("#stages-face").click()
    browser.find("#option-scale option[value='2']").click()
    browser.find("#more summary").click()
    browser.see("#option-sepia_tone").click()
    browser.restore("chosen")  # these stages do not know them
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


def test_problems_are_told_in_words_and_the_photo_stays(
    serve: Callable[..., Browser], photo: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(photo.read_bytes()[:2000])
    browser = serve()
    browser.open()
    browser.choose(broken)
    browser.restore("chosen")
    assert browser.see("#problem").get_attribute("role") == "alert"
    assert browser.text("#problem-title") == "Truncated image"
    assert browser.text("#problem-detail")
    assert "422, found by" in browser.text("#problem-where")
    assert not browser.find("#again").is_displayed()
    assert not browser.find("#report").is_displayed()
    browser.choose(photo)
    assert not browser.find("#problem").is_displayed()
    browser.restore()


def test_what_may_pass_can_be_tried_again(
    serve: Callable[..., Browser], server: FakeTorchServe, photo: Path
) -> None:
    browser = serve(canary_s=600.0)
    browser.open()
    browser.choose(photo)
    server.is_up = False
    browser.restore("chosen")
    browser.see("#problem")
    assert "Try again in" in browser.text("#problem-advice")
    server.is_up = True
    browser.find("#again").click()
    browser.reach("done")
    assert not browser.find("#problem").is_displayed()


def test_a_restoration_can_be_cancelled(
    serve: Callable[..., Browser], server: FakeTorchServe, photo: Path
) -> None:
    browser = serve()
    browser.open()
    browser.choose(photo)
    browser.call(server.is_open.clear)
    browser.restore("working")
    assert browser.find("#progress").is_displayed()
    assert not browser.find("#option-format").is_enabled()
    browser.wait(lambda: browser.text("#progress-text").startswith("Restoring"))
    browser.find("#cancel").click()
    browser.reach("chosen")
    browser.call(server.is_open.set)
    assert not browser.find("#problem").is_displayed()
    assert browser.find("#restore").is_enabled()
    browser.assert_calm()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A picture that takes some time."""
    file = tmp_path / "large.jpg"
    Image.fromarray(make_photo(1000, 1100)).save(file)
    return file


STEPS = """
const steps = [...document.querySelectorAll("#steps li")];
return Object.fromEntries(steps.map((step) => [step.querySelector(".stage").textContent, step.dataset.outcome]));
"""


def steps(browser: Browser) -> dict[str, str]:
    """How far each stage is shown to be: at one moment, since they are replaced again and again."""
    return browser.driver.execute_script(STEPS)


def test_a_large_photo_shows_the_stages_at_work(
    serve: Callable[..., Browser], server: FakeTorchServe, root: Path, large: Path, tmp_path: Path
) -> None:
    browser = serve(jobs_dir=tmp_path / "jobs")
    browser.open()
    browser.choose(large)
    browser.find("#stages-chosen").click()
    browser.call(server.is_open.clear)
    browser.restore("working")
    browser.wait(lambda: server.inferences and browser.find("#steps").is_displayed())
    assert steps(browser) == dict.fromkeys(STAGES, "waiting")
    workspace = root / server.inferences[-1]["workspace_id"]
    for stage, outcome in {"preprocess": "ran", "denoise": "passed", "scratch": "running"}.items():
        (workspace / f"{stage}.{outcome}.state").touch()
    expected = dict.fromkeys(STAGES, "waiting") | {
        "preprocess": "ran", "denoise": "passed", "scratch": "running",
    }  # fmt: skip
    browser.wait(lambda: steps(browser) == expected)
    assert float(browser.find("#progress").get_attribute("value") or "nan") == pytest.approx(2 / len(STAGES))
    assert browser.text("#progress-text").startswith("Restoring, ")
    browser.call(server.is_open.set)
    browser.reach("done")
    assert not browser.find("#steps").is_displayed()
    assert len(browser.all("#report-stages li")) == len(STAGES)
    assert Image.open(io.BytesIO(downloaded(browser))).size == (1100, 1000)
    browser.wait(
        lambda: not list((tmp_path / "jobs" / "results").iterdir())
    )  # the service keeps nothing of it
    browser.assert_calm()


def test_a_job_that_waits_says_so_and_can_be_cancelled(
    serve: Callable[..., Browser], server: FakeTorchServe, large: Path, tmp_path: Path
) -> None:
    browser = serve(jobs_dir=tmp_path / "jobs")
    browser.open()
    browser.choose(large)
    server.ready_workers = 0
    browser.wait(lambda: browser.call(is_unready, browser.url))
    browser.restore("working")
    browser.wait(lambda: browser.text("#progress-text").startswith("Waiting for its turn, "))
    assert not browser.find("#steps").is_displayed()
    browser.find("#cancel").click()
    browser.reach("chosen")
    browser.wait(lambda: not list((tmp_path / "jobs" / "uploads").iterdir()))
    assert not browser.find("#problem").is_displayed()
    browser.assert_calm()


async def is_unready(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{url}/readyz")).status_code == 503


def test_problem_of_a_job_is_told_as_any_other(
    serve: Callable[..., Browser], large: Path, tmp_path: Path
) -> None:
    large.write_bytes(large.read_bytes()[:-2000])
    browser = serve(jobs_dir=tmp_path / "jobs")
    browser.open()
    browser.choose(large)
    browser.restore("chosen")
    assert browser.see("#problem-title").text == "Truncated image"
    assert "422, found by preprocess" in browser.text("#problem-where")


def test_a_key_is_asked_for_only_where_the_service_wants_one(
    serve: Callable[..., Browser], photo: Path, tmp_path: Path
) -> None:
    key = make_key()
    (tmp_path / "keys").write_text(key_line("album", key))
    browser = serve(keys_file=tmp_path / "keys")
    browser.open()
    browser.see("#key-form")
    assert not browser.find("#form").is_displayed()
    browser.find("#key").send_keys("wrong", Keys.ENTER)
    browser.see("#key-wrong")
    browser.find("#key").clear()
    browser.find("#key").send_keys(key, Keys.ENTER)
    browser.see("#form")
    assert not browser.find("#key-form").is_displayed()
    browser.choose(photo)
    browser.restore()


def test_files_that_the_browser_cannot_show_are_restored_all_the_same(
    serve: Callable[..., Browser], tmp_path: Path
) -> None:
    file = tmp_path / "scan.tif"
    Image.fromarray(make_photo(60, 80)).save(file)
    browser = serve()
    browser.open()
    browser.choose(file)
    assert "cannot show such a file" in browser.see("#blank").text
    assert not browser.find("#paint-start").is_displayed()
    browser.restore()
    assert browser.see("#after").size["width"] > 0
    assert browser.find("#slider").get_property("hidden")
    assert browser.find("#download").get_attribute("download") == "scan-restored.png"
    browser.assert_calm()


def test_everything_fits_on_a_phone(serve: Callable[..., Browser], photo: Path) -> None:
    browser = serve()
    browser.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True},
    )
    try:
        browser.open()
        for step in (lambda: browser.see("#form"), lambda: browser.choose(photo), browser.restore):
            step()
            width = browser.driver.execute_script("return document.documentElement.scrollWidth")
            assert width <= 360
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_interface_is_shown_and_tried_without_the_outside(serve: Callable[..., Browser]) -> None:
    browser = serve()
    browser.open("/docs")
    paths = browser.wait(lambda: [found.text for found in browser.all(".opblock-summary-path")])
    assert "/v1/restore" in [path.replace("\u200b", "") for path in paths]
    browser.find("#operations-operations-get_livez .opblock-summary-control").click()
    browser.see(".try-out__btn").click()
    browser.see(".execute").click()
    browser.wait(
        lambda: any('"alive"' in found.text for found in browser.all(".live-responses-table .highlight-code"))
    )
    browser.assert_calm()


class Page(BaseHTTPRequestHandler):
    """A bare page, as another site would have."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>album</title><link rel=icon href=data:,>")

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The origin of another site."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as site:
        thread = Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{site.server_address[1]}"
        site.shutdown()
        thread.join()


UPLOAD = """
const [url, done] = arguments;
const canvas = Object.assign(document.createElement("canvas"), {width: 40, height: 30});
const headers = {Authorization: "Bearer key", "If-None-Match": '"none"', "Idempotency-Key": "one"};
canvas.toBlob((body) => fetch(url, {method: "POST", body, headers}).then(
    (answer) => done([answer.status, answer.headers.get("ETag"), answer.headers.get("Server-Timing")]),
    (error) => done([error.name])));
"""


def test_pages_of_allowed_origins_can_upload(serve: Callable[..., Browser], elsewhere: str) -> None:
    browser = serve(cors_origins=(elsewhere,))
    browser.open("/", elsewhere)
    status, etag, timing = browser.driver.execute_async_script(UPLOAD, f"{browser.url}/v1/restore?stages=")
    assert status == 200
    assert etag.startswith('"')
    assert "deliver;dur=" in timing


def test_pages_of_other_origins_cannot(
    serve: Callable[..., Browser], server: FakeTorchServe, elsewhere: str
) -> None:
    browser = serve(cors_origins=("https://album.example",))
    browser.open("/", elsewhere)
    count = len(server.inferences)
    assert browser.driver.execute_async_script(UPLOAD, f"{browser.url}/v1/restore?stages=") == ["TypeError"]
    assert len(server.inferences) == count
