"""The dashboard's queries, asked of a Prometheus that has scraped the real metrics."""

import contextlib
import itertools
import json
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.tools import DEPLOY, dashboard, panel_queries, program, write

GRAFANA = DEPLOY / "grafana"


@contextlib.contextmanager
def exporter(pages: dict[str, list[str]]) -> Iterator[int]:
    """Shows pages as a service in use would: the first texts once, then the last one."""
    texts = {path: itertools.chain(shown, itertools.repeat(shown[-1])) for path, shown in pages.items()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(next(texts[self.path]).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def prometheus(folder: Path, target: int) -> Iterator[str]:
    """The real one, with the deployment's jobs before another address; gives its own."""
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "250ms"}
    config["rule_files"] = [str(DEPLOY / "prometheus" / name) for name in config["rule_files"]]
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"127.0.0.1:{target}"]}]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [program("prometheus", "Debian's package prometheus")]
    command += [f"--config.file={write(folder / 'prometheus.yml', config)}", f"--storage.tsdb.path={folder}"]
    command += [f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(30)


def ask(url: str, query: str) -> list[dict[str, Any]]:
    """The samples that a query gives now."""
    full = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(full, timeout=10) as answer:
        return json.load(answer)["data"]["result"]


@pytest.fixture(scope="module")
def url(
    tmp_path_factory: pytest.TempPathFactory, edge_metrics: list[str], torchserve_metrics: str
) -> Iterator[str]:
    pages = {"/metrics": edge_metrics, "/metrics/torchserve": [torchserve_metrics]}
    program("prometheus", "Debian's package prometheus")
    with exporter(pages) as port, prometheus(tmp_path_factory.mktemp("prometheus"), port) as found:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                if all(ask(found, f"count_over_time({name}[1m]) > 2") for name in AWAITED):
                    break
            time.sleep(0.1)
        yield found


AWAITED = ("photorestore_gateway_ready", "ts_queue_latency_microseconds", "photorestore:requests:rate5m")


@pytest.mark.parametrize("place", panel_queries())
def test_every_query_of_the_dashboard_finds_something(place: str, url: str) -> None:
    assert ask(url, panel_queries()[place])


def test_panels_use_the_chosen_source_and_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel.get("targets", []))
    numbers = [panel["id"] for panel in dashboard()["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_provisioning_names_what_compose_mounts() -> None:
    services = yaml.safe_load((DEPLOY.parent / "compose.yaml").read_text())["services"]
    mounts = [volume.split(":")[1] for volume in services["grafana"]["volumes"]]
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/photorestore.yml").read_text())
    assert provider["providers"][0]["options"]["path"] in mounts
    source = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())
    address = urllib.parse.urlsplit(source["datasources"][0]["url"])
    assert address.hostname in services
    assert f"127.0.0.1:{address.port}:{address.port}" in services[address.hostname]["ports"]
