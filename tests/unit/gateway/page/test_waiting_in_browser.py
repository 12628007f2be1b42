"""In a real browser: what is shown while one waits, and what where nothing comes of it."""

import io
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from PIL import Image
from selenium.webdriver import Keys

from gateway.http.keys import key_line, make_key
from photorestore.options import STAGES
from tests.browser import Browser, downloaded, needs_chromium
from tests.edge import FakeTorchServe

pytestmark = needs_chromium


def test_problems_are_told_in_words_and_the_photo_stays(
    serve: Callable[..., Browser], photo: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(photo.read_bytes()[:2000])
    browser = serve()
    browser.open()
    browser.choose(broken)
    browser.restore("failed")
    assert browser.see("#problem").get_attribute("role") == "alert"
    assert browser.text("#problem-title") == "The file breaks off"
    assert browser.text("#problem-detail")
    assert "Truncated image: 422, found by" in browser.text("#problem-where")
    assert not browser.find("#again").is_displayed()
    assert "choose it again" in browser.text("#problem-advice")
    assert not browser.find("#report").is_displayed()
    browser.choose(photo)
    assert not browser.find("#problem").is_displayed()
    browser.restore()
    browser.find("#strip li:first-child .tile").click()
    browser.reach("failed")
    assert browser.see("#problem-title").text == "The file breaks off"


def test_what_may_pass_can_be_tried_again(
    serve: Callable[..., Browser], server: FakeTorchServe, photo: Path
) -> None:
    browser = serve(canary_s=600.0)
    browser.open()
    browser.choose(photo)
    server.is_up = False
    browser.restore("failed")
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
    browser.wait(lambda: browser.text("#progress-text").startswith("Restoring"))
    browser.find("#cancel").click()
    browser.reach("chosen")
    browser.call(server.is_open.set)
    assert not browser.find("#problem").is_displayed()
    assert browser.find("#restore").is_enabled()
    browser.assert_calm()


STEPS = """
const steps = [...document.querySelectorAll("#steps li")];
return Object.fromEntries(steps.map((step) => [step.dataset.stage, step.dataset.outcome]));
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
    browser.find("#more summary").click()
    browser.see("#stages-chosen")
    browser.bring_up("#stages-chosen").click()
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


SECONDS_LEFT = """
const [query, done] = arguments;
const photo = {width: 1000, height: 1000, jobState: "running", since: performance.now(), query};
import("/page/pace.js").then(({secondsLeft}) => done(secondsLeft(photo)));
"""


def test_deblurring_counts_where_it_was_asked_for(serve: Callable[..., Browser]) -> None:
    browser = serve()
    browser.open()
    without, *with_it = (
        browser.driver.execute_async_script(SECONDS_LEFT, query)
        for query in ("stages=denoise", "stages=denoise,deblur", "stages=denoise&psf=estimate")
    )
    assert with_it == pytest.approx([without + 15, without + 15], abs=1)


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
    browser.restore("failed")
    assert browser.see("#problem-title").text == "The file breaks off"
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
