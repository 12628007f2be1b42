"""What is to be delivered is decided once, from the header."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from photorestore.envelope import Envelope, Promise
from photorestore.errors import BrokenArtifact, ImageTooLarge, NotAcceptable
from photorestore.imaging import LIMITS, open_picture, promise
from photorestore.options import Options
from photorestore.stages.base import run_stage
from photorestore.stages.deliver.stage import DeliverStage
from photorestore.stages.preprocess.stage import PreprocessStage
from photorestore.workspace import Workspace
from tests.conftest import make_photo


def webp() -> bytes:
    file = io.BytesIO()
    Image.fromarray(make_photo(40, 60)).save(file, "WEBP")
    return file.getvalue()


def promised(options: Options, accept: str = "") -> Promise:
    return promise(open_picture(webp()).header, options, accept, LIMITS)


def test_the_format_and_the_uploads_own_type_are_promised() -> None:
    assert promised(Options()) == Promise("jpeg", "image/webp")
    assert promised(Options(format="png")) == Promise("png", None)
    assert promised(Options(), "image/avif") == Promise("avif", None)


def test_what_cannot_be_delivered_is_refused() -> None:
    with pytest.raises(NotAcceptable):
        promised(Options(), "text/html")
    small = replace(LIMITS, pixels=40 * 60)
    with pytest.raises(ImageTooLarge):
        promise(open_picture(webp()).header, Options(scale=2), "", small)


def delivered(root: Path, decided: Promise | None) -> tuple[str, Envelope]:
    """Type of a result, after `preprocess` and `deliver`."""
    workspace = Workspace.create(root, Options())
    workspace.envelope.promise = decided
    workspace.write_file("upload", webp())
    for stage in (PreprocessStage(), DeliverStage()):
        run_stage(stage, [workspace])
    assert workspace.envelope.problem is None
    with Image.open(workspace.path("result")) as image:
        return str(image.format), workspace.envelope


def test_nothing_is_delivered_where_nobody_has_decided(tmp_path: Path) -> None:
    with pytest.raises(BrokenArtifact, match="nobody has decided"):
        Workspace.create(tmp_path, Options()).envelope.require_promise()


def test_preprocess_decides_only_where_nobody_has(tmp_path: Path) -> None:
    assert delivered(tmp_path, None)[1].promise == Promise("jpeg", "image/webp")
    kind, envelope = delivered(tmp_path, Promise("tiff"))
    assert (kind, envelope.promise) == ("TIFF", Promise("tiff"))


def test_the_header_is_not_read_again_for_the_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("photorestore.stages.deliver.stage.open_picture")
    assert delivered(tmp_path, None)[0] == "WEBP"
