"""The real metrics of both sides."""

import asyncio
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gateway.settings import HOME
from tests.edge import FakeTorchServe, load_handlers, make_picture, running_edge

TORCHSERVE = Path(__file__).with_name("torchserve_metrics.txt")
"""What a TorchServe with this `metrics.yaml` showed after some restorations."""


@pytest.fixture(scope="session")
def edge_metrics(tmp_path_factory) -> list[str]:
    """What the edge shows before and after restorations, refusals and answers from the cache."""
    root = tmp_path_factory.mktemp("spaces")
    handlers = load_handlers(root)
    return asyncio.run(_scrape(FakeTorchServe(handlers), root, tmp_path_factory.mktemp("cache")))


async def _scrape(server: FakeTorchServe, root: Path, cache: Path) -> list[str]:
    async with running_edge(server, root, cache_dir=cache) as edge:
        texts = []
        for seed in range(2):
            picture = make_picture(seed=seed)
            for content in (picture, picture, b"no picture"):
                await edge.post("/v1/restore?stages=denoise,scratch,translate", content=content)
            texts.append((await edge.get("/metrics")).text)
    return texts


@pytest.fixture(scope="session")
def torchserve_metrics() -> str:
    return TORCHSERVE.read_text()


@pytest.fixture(scope="session")
def shown(edge_metrics, torchserve_metrics) -> dict[str, set[str]]:
    """Names of the labels of every series that both sides show."""
    labels: dict[str, set[str]] = {}
    for text in (*edge_metrics, torchserve_metrics):
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


@pytest.fixture(scope="session")
def declared() -> set[str]:
    """Names in `metrics.yaml`."""
    document = yaml.safe_load((HOME / "metrics.yaml").read_text())
    sides = (document["ts_metrics"], document["model_metrics"])
    return {metric["name"] for side in sides for kind in side.values() for metric in kind}
