"""Writes what the service consists of as CycloneDX: `python -m deploy.sbom > sbom.cdx.json`, or `make sbom`.

Packages are those of requirements.lock, with the licences that the installed ones name, and those of npm that the page
holds; weights are listed with their hashes. The same sources in the same environment give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
import uuid
from importlib import metadata
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
LICENCE_CLASSIFIER = "License :: "

Component = dict[str, object]


def document() -> dict[str, object]:
    """Return the bill of materials."""
    declared = tomllib.loads((HOME / "pyproject.toml").read_text())
    project, groups = declared["project"], declared["dependency-groups"]
    images = {image: {_plain(name) for name in groups[image]} for image in ("gateway", "backend")}
    locked = PINNED.findall((HOME / "requirements.lock").read_text())
    components = [_package(name, version, images) for name, version in locked]
    vendored = tomllib.loads((HOME / "gateway/page/vendor/origins.toml").read_text())
    components += [_vendored(name, origin) for name, origin in vendored.items()]
    components += [_weights(file) for file in sorted((HOME / "weights").glob("*/*.safetensors"))]
    content = json.dumps(components, sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": project["name"],
                "name": project["name"],
                "version": project["version"],
            }
        },
        "components": components,
    }


def _package(name: str, version: str, images: dict[str, set[str]]) -> Component:
    address = f"pkg:pypi/{_plain(name)}@{version}"
    named_by = [image for image, names in images.items() if _plain(name) in names]
    return {
        "type": "library",
        "bom-ref": address,
        "name": name,
        "version": version,
        "purl": address,
        "licenses": _licences(name),
        "properties": [{"name": "photorestore:image", "value": image} for image in named_by],
    }


def _vendored(name: str, origin: dict[str, str]) -> Component:
    address = f"pkg:npm/{name}@{origin['version']}"
    return {
        "type": "library",
        "bom-ref": address,
        "name": name,
        "version": origin["version"],
        "purl": address,
        "licenses": [{"license": {"id": origin["licence"]}}],
        "hashes": [{"alg": "SHA-256", "content": origin["sha256"]}],
        "properties": [{"name": "photorestore:image", "value": "gateway"}],
    }


def _weights(file: Path) -> Component:
    name = str(file.relative_to(HOME))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return {
        "type": "machine-learning-model",
        "bom-ref": name,
        "name": name,
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }


def _licences(name: str) -> list[dict[str, object]]:
    """Return the licences that an installed package names: an expression, else its classifiers."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return []
    if expressions := about.get_all("License-Expression", []):
        return [{"expression": expressions[0]}]
    classifiers = [text for text in about.get_all("Classifier", []) if text.startswith(LICENCE_CLASSIFIER)]
    return [{"license": {"name": text.rpartition(" :: ")[2]}} for text in classifiers]


def _plain(name: str) -> str:
    """Return a package's name as the registry compares it, without version."""
    return re.sub(r"[-_.]+", "-", re.split("[<>=]", name)[0]).lower()


if __name__ == "__main__":
    print(json.dumps(document(), indent=1))
