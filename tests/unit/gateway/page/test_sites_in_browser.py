"""In a real browser: the page of the interface, and pages of other sites."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.browser import Browser, needs_chromium
from tests.edge import FakeTorchServe

pytestmark = needs_chromium


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
