"""The real metrics of both sides."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from tests.edge import FakeTorchServe, load_handlers, make_picture, running_edge
from tests.jobs import submit, wait

TORCHSERVE = Path(__file__).with_name("torchserve_metrics.txt")
"""What a TorchServe with this `metrics.yaml` showed after some restorations."""


@pytest.fixture(scope="session")
def edge_metrics(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the edge shows before and after restorations, refusals, answers from the cache and jobs."""
    root = tmp_path_factory.mktemp("spaces")
    handlers = load_handlers(root)
    return asyncio.run(_scrape(FakeTorchServe(handlers), root, tmp_path_factory.mktemp("kept")))


async def _scrape(server: FakeTorchServe, root: Path, kept: Path) -> list[str]:
    settings: dict[str, Any] = {
        "cache_dir": kept / "cache",
        "jobs_dir": kept / "jobs",
        "restarts_file": kept / "restarts.json",
    }
    async with running_edge(server, root, **settings) as edge:
        texts = []
        for seed in range(2):
            picture = make_picture(seed=seed)
            for content in (picture, picture, b"no picture"):
                await edge.post("/v1/restore?stages=denoise,scratch,translate", content=content)
            await wait(edge, await submit(edge, seed=seed + 2))
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
