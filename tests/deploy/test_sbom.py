"""The bill of materials names all that ships."""

import hashlib
import json
import re
from typing import Any

import pytest

from deploy.sbom import PINNED, document
from gateway.settings import HOME


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    return json.loads(json.dumps(document()))


def test_every_locked_package_stands_in_it_with_version_and_address(bill: dict[str, Any]) -> None:
    libraries = [entry for entry in bill["components"] if entry["type"] == "library"]
    found = {entry["name"]: entry for entry in libraries if entry["purl"].startswith("pkg:pypi/")}
    locked = dict(PINNED.findall((HOME / "requirements.lock").read_text()))
    assert {name: entry["version"] for name, entry in found.items()} == locked
    assert len(locked) > 100
    for entry in found.values():
        assert re.fullmatch(r"pkg:pypi/[a-z0-9-]+@\S+", entry["purl"])
    assert found["torch"]["properties"] == [{"name": "photorestore:image", "value": "backend"}]
    assert found["numpy"]["licenses"]


def test_packages_of_the_page_stand_in_it_with_licence_and_hash(bill: dict[str, Any]) -> None:
    found = {entry.get("purl"): entry for entry in bill["components"]}
    entry = found["pkg:npm/client-zip@2.5.1"]
    content = (HOME / "gateway/page/vendor/client-zip.js").read_bytes()
    assert entry["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}]
    assert entry["licenses"] == [{"license": {"id": "MIT"}}]


def test_weights_stand_in_it_with_their_hashes(bill: dict[str, Any]) -> None:
    found = {
        entry["name"]: entry["hashes"][0]["content"]
        for entry in bill["components"]
        if entry["type"] == "machine-learning-model"
    }
    files = {str(file.relative_to(HOME)): file for file in (HOME / "weights").glob("*/*.safetensors")}
    assert found == {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}


def test_it_is_reproducible_and_names_everything_once(bill: dict[str, Any]) -> None:
    assert bill == json.loads(json.dumps(document()))
    references = [entry["bom-ref"] for entry in bill["components"]]
    assert len(references) == len(set(references))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
