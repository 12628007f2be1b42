"""What one API key may ask of the edge, however much it asks, and what is left for others."""

import asyncio
from pathlib import Path

import pytest

from gateway.command_line import parse
from gateway.http.keys import key_line, make_key
from tests.edge import EdgeClient, FakeTorchServe, make_picture, metric, problem, running_edge, until


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Headers by the name of the key, which are in the file `keys`."""
    keys = {name: make_key() for name in ("greedy", "modest")}
    (tmp_path / "keys").write_text("\n".join(key_line(name, key) for name, key in keys.items()))
    return {name: f"Bearer {key}" for name, key in keys.items()}


async def ask(edge: EdgeClient, key: str, seed: int) -> tuple[int, str]:
    """Restore a picture; return the status, and after how many seconds to come back."""
    picture = make_picture(8, 8, seed=seed)
    answer = await edge.post("/v1/restore?stages=", content=picture, headers={"Authorization": key})
    if answer.status_code != 429:
        return answer.status_code, ""
    assert problem(answer) == (429, "too-many-requests")
    return 429, answer.headers["retry-after"]


@pytest.mark.anyio
async def test_fifty_requests_of_one_key_leave_places_for_another(
    server: FakeTorchServe, root: Path, tmp_path: Path, keys: dict[str, str]
) -> None:
    async with running_edge(
        server, root, keys_file=tmp_path / "keys", max_requests=4, max_key_requests=2, max_in_turns=3
    ) as edge:
        server.is_open.clear()
        async with asyncio.TaskGroup() as group:
            greedy = [group.create_task(ask(edge, keys["greedy"], seed)) for seed in range(50)]
            await until(lambda: metric(edge, "rejected_total", reason="key") == 48)
            modest = group.create_task(ask(edge, keys["modest"], 50))
            await until(lambda: len(server.inferences) == 3)
            server.is_open.set()
        assert sorted(task.result() for task in greedy) == [(200, "")] * 2 + [(429, "1")] * 48
        assert modest.result() == (200, "")
        assert metric(edge, "key_requests_total", key="greedy", status="4xx") == 48
        assert metric(edge, "key_requests_total", key="modest", status="2xx") == 1


@pytest.mark.anyio
async def test_keys_that_ask_at_the_same_time_take_turns(
    server: FakeTorchServe, root: Path, tmp_path: Path, keys: dict[str, str]
) -> None:
    async with running_edge(server, root, keys_file=tmp_path / "keys", max_requests=4) as edge:
        assert await ask(edge, keys["modest"], 50) == (200, "")
        server.is_open.clear()
        async with asyncio.TaskGroup() as group:
            greedy = [group.create_task(ask(edge, keys["greedy"], seed)) for seed in range(20)]
            await until(lambda: metric(edge, "rejected_total", reason="key") == 18)
            assert (metric(edge, "in_flight_requests"), metric(edge, "waiting_requests")) == (1, 1)
            modest = group.create_task(ask(edge, keys["modest"], 51))
            await until(lambda: metric(edge, "in_flight_requests") == 2)
            assert metric(edge, "waiting_requests") == 1  # of the greedy one
            server.is_open.set()
        assert sorted(task.result()[0] for task in greedy) == [200] * 2 + [429] * 18
        assert modest.result() == (200, "")


@pytest.mark.anyio
async def test_a_key_that_asks_too_often_is_told_when_to_come_back(
    server: FakeTorchServe, root: Path, tmp_path: Path, keys: dict[str, str]
) -> None:
    async with running_edge(server, root, keys_file=tmp_path / "keys", key_rate="1/hour") as edge:
        path, picture = "/v1/restore?stages=", make_picture(8, 8)
        for key in keys.values():
            first = await edge.post(path, content=picture, headers={"Authorization": key})
            assert first.status_code == 200
            again = await edge.post(path, content=picture, headers={"Authorization": key})
            assert problem(again) == (429, "too-many-requests")
            assert 3500 < int(again.headers["retry-after"]) <= 3600
        assert metric(edge, "rejected_total", reason="rate") == 2


@pytest.mark.parametrize(
    ("name", "value"), [("key-rate", "often"), ("key-rate", "0/minute"), ("key-rate-store", "file://a")]
)
def test_settings_of_rates_are_checked(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"--{name} is '{value}'"):
        parse([f"--{name}", value], {})
