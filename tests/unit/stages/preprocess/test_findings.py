from dataclasses import replace
from typing import Any

import pytest

from bench.sound import SOUND
from photorestore.errors import BrokenArtifact
from photorestore.source import Source
from photorestore.stages.preprocess.findings import findings_of, is_grey
from photorestore.workspace import Workspace


def test_before_preprocess_there_is_nothing_to_go_by(workspace: Workspace) -> None:
    with pytest.raises(BrokenArtifact, match="preprocess has not run"):
        findings_of(workspace)


@pytest.mark.parametrize(
    ("by_file", "by_channels", "expected"),
    [(True, False, True), (False, True, True), (False, False, False), (None, True, True)],
)
def test_a_picture_is_grey_by_its_file_or_by_its_channels(
    workspace: Workspace, by_file: bool | None, by_channels: bool, expected: bool
) -> None:
    if by_file is not None:
        workspace.envelope.source = Source.of_array(90, 60, 8, is_grey=by_file)
    workspace.envelope.estimates["preprocess"] = replace(SOUND, is_grey=by_channels)
    assert is_grey(workspace) is expected


@pytest.mark.parametrize(
    ("found", "most_255"),
    [
        ({"noisy": True, "sigma_255": 15.0}, 255.0),
        ({"mode": "thorough", "sigma_255": 1.0}, 255.0),
        ({"mode": "gentle", "sigma_255": 2.0}, 0.0),
    ],
)
def test_only_noisy_pictures_and_old_prints_have_grain(found: dict[str, Any], most_255: float) -> None:
    assert replace(SOUND, **found).most_grain_255 == most_255


def test_a_normalised_picture_was_faded_if_the_upload_was() -> None:
    faded = replace(SOUND, faded=True)
    assert faded.was_faded
    assert replace(SOUND, before_normalise=faded).was_faded
    assert not replace(faded, before_normalise=SOUND).was_faded
