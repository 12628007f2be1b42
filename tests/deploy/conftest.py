"""The real metrics of both sides."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.edge import FakeTorchServe, load_handlers, make_picture, running_edge

TORCHSERVE = Path(__file__).with_name("torchserve_metrics.txt")
"""What a TorchServe with this `metrics.yaml` showed after some restorations."""


@pytest.fixture(scope="session")
def edge_metrics(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
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
def shown(edge_metrics: list[str], torchserve_metrics: str) -> dict[str, set[str]]:
    """Names of the labels of every series that both sides show."""
    labels: dict[str, set[str]] = {}
    for text in (*edge_metrics, torchserve_metrics):
        for name, described in re.findall(r"^(\w+)(\{.*\})? ", text, re.MULTILINE):
            labels.setdefault(name, set()).update(re.findall(r'(\w+)="', described))
    return labels
