"""API keys: asked for, rotated, hashed, and missing."""

from pathlib import Path

import httpx
import pytest

from gateway.__main__ import main
from gateway.http.keys import Keys, key_line, make_key
from tests.edge import FakeTorchServe, make_picture, problem, running_edge

pytestmark = pytest.mark.anyio


async def test_keys_are_asked_for_where_there_are_some(
    server: FakeTorchServe, root: Path, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    first, second = make_key(), make_key()
    file.write_text(f"# of the album\n{key_line('album', first)}\n\n")
    async with running_edge(server, root, keys_file=file) as edge:

        async def ask(**headers: str) -> httpx.Response:
            return await edge.post("/v1/restore?stages=", content=make_picture(), headers=headers)

        for headers in ({}, {"Authorization": f"Bearer {second}"}, {"Authorization": f"Basic {first}"}):
            refused = await ask(**headers)
            assert problem(refused) == (401, "unauthorized")
            assert refused.headers["www-authenticate"] == "Bearer"
        assert server.inferences == []
        assert (await ask(Authorization=f"Bearer {first}")).status_code == 200
        file.write_text(key_line("next", second))  # rotated
        assert (await ask(Authorization=f"Bearer {second}")).status_code == 200
        assert (await ask(Authorization=f"Bearer {first}")).status_code == 401
        file.write_text("broken")  # the keys read before stay
        assert (await ask(Authorization=f"Bearer {second}")).status_code == 200
        assert (await edge.get("/v1/stages")).status_code == 401
        assert (await edge.get("/readyz")).status_code == 200


async def test_keys_that_are_not_those_of_the_file_are_told(
    server: FakeTorchServe, root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, key = tmp_path / "keys", make_key()
    line = key_line("album", key)
    file.write_text(line)
    async with running_edge(server, root, keys_file=file) as edge:

        async def look() -> tuple[int, list[str]]:
            asked = await edge.get("/v1/stages", headers={"Authorization": f"Bearer {key}"})
            ready = await edge.get("/readyz")
            assert ready.status_code == 200
            return asked.status_code, ready.json()["warnings"]

        assert await look() == (200, [])
        file.unlink()
        stale = "the file of API keys cannot be read anew; those read before stay valid"
        assert await look() == (200, [stale])
        file.write_text(f"{line}\nbroken")
        assert await look() == (200, [stale])
        file.write_text("")
        assert await look() == (401, ["the file of API keys holds none: nobody is let in"])
        file.write_text(line)
        assert await look() == (200, [])
    told = [record.getMessage() for record in caplog.records if record.name == "gateway.http.keys"]
    assert [message.partition(":")[0] for message in told] == [
        stale,
        "the file of API keys holds none",
        "the API keys are read again",
    ]


def test_two_keys_of_one_name_are_valid_at_a_time(tmp_path: Path) -> None:
    old, new = make_key(), make_key()
    (tmp_path / "keys").write_text(f"{key_line('album', old)}\n{key_line('album', new)}\n")
    keys = Keys(tmp_path / "keys")
    assert keys.name_of(old) == keys.name_of(new) == "album"


def test_keys_lie_hashed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "album"]) == 0
    first, line = capsys.readouterr().out.splitlines()  # the second one goes into the file as it is
    key = first.rpartition(" ")[2]
    assert key not in line
    (tmp_path / "keys").write_text(line)
    assert Keys(tmp_path / "keys").name_of(key) == "album"
    assert Keys(tmp_path / "keys").name_of(key[:-1]) is None


@pytest.mark.parametrize("text", ["", "# nothing", "album secret", "album " + "0" * 63])
def test_a_file_without_keys_stops_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(ValueError, match="keys"):
        Keys(tmp_path / "keys")
