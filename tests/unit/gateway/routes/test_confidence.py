"""How sure new colours are, as callers of the edge learn it, before the real stages."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.conftest import make_photo
from tests.edge import EdgeClient, FakeTorchServe, problem

pytestmark = pytest.mark.anyio


def grey_picture(*, turned: bool = False) -> bytes:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6 if turned else 1
    Image.fromarray(make_photo(90, 120)).convert("L").save(file, "PNG", exif=exif)
    return file.getvalue()


def pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as picture:
        assert (picture.format, picture.mode) == ("PNG", "L")
        return np.asarray(picture)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/v1/restore?return=confidence&colorize=learned&hints=40,30,%23607060", {}),
        ("/v1/restore/confidence?colorize=learned&hints=40,30,%23607060", {}),
        ("/v1/restore/confidence", {"colorize": "learned", "hints": "40,30,#607060"}),
        ("/v1/restore", {"options": '{"return": "confidence", "hints": "40,30,#607060"}'}),
        ("/v1/restore?scale=2", {"return": "CONFIDENCE", "hints": "40,30,#607060"}),
    ],
)
async def test_every_door_gives_it(edge: EdgeClient, path: str, options: dict[str, str]) -> None:
    answer = await edge.post(path, files={"image": grey_picture()}, data=options)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["etag"].startswith('"')
    confidence = pixels(answer.content)
    assert confidence.shape == (90, 120)  # also where the picture is enlarged
    assert confidence[30, 40] > 250
    assert confidence.min() <= 128


async def test_it_is_as_upright_as_the_picture(edge: EdgeClient) -> None:
    answer = await edge.post("/v1/restore/confidence?colorize=learned", content=grey_picture(turned=True))
    assert pixels(answer.content).shape == (120, 90)


async def test_nothing_coloured_is_nothing_sure(edge: EdgeClient) -> None:
    query = "colorize=learned&strength=colorize:0"
    answer = await edge.post(f"/v1/restore/confidence?{query}", content=grey_picture())
    assert set(np.unique(pixels(answer.content))) == {0}


@pytest.mark.parametrize("path", ["/v1/restore?return=confidence", "/v1/restore/confidence?mode=gentle"])
async def test_without_colours_there_is_none(edge: EdgeClient, server: FakeTorchServe, path: str) -> None:
    answer = await edge.post(path, content=grey_picture())
    assert problem(answer) == (400, "unsupported-option")
    assert "colorize or hints" in answer.json()["detail"]
    assert problem(await edge.post(path, files={"image": grey_picture()})) == (400, "unsupported-option")
    assert not server.inferences


async def test_a_bundle_has_it_where_colours_are_asked_for(edge: EdgeClient) -> None:
    names = [b'name="report"', b'name="image"', b'name="mask"', b'name="confidence"']
    bundle = await edge.post("/v1/restore/bundle?colorize=learned", content=grey_picture())
    assert [name in bundle.content for name in names] == [True] * 4
    alone = await edge.post("/v1/restore/confidence?colorize=learned", content=grey_picture())
    assert alone.content in bundle.content
    plain = await edge.post("/v1/restore/bundle", content=grey_picture())
    assert [name in plain.content for name in names] == [True] * 3 + [False]


async def test_a_reference_that_was_not_used_is_told(edge: EdgeClient) -> None:
    noise, grey = io.BytesIO(), grey_picture()
    Image.effect_noise((100, 100), 80).convert("RGB").save(noise, "PNG")
    files = {"image": grey, "reference": noise.getvalue()}
    report = (await edge.post("/v1/restore/report?colorize=exemplar", files=files)).json()
    assert report["estimates"]["colorize"]["accepted"] == 0
    assert "reference was not used" in report["trace"]["colorize"]["note"]
    coloured, without = (
        await edge.post("/v1/restore?format=png&metadata=strip&colorize=exemplar", files=files),
        await edge.post("/v1/restore?format=png&metadata=strip&colorize=learned", content=grey),
    )
    assert b"reference was not used" in coloured.content
    with Image.open(io.BytesIO(coloured.content)) as one, Image.open(io.BytesIO(without.content)) as other:
        assert one.tobytes() == other.tobytes()
