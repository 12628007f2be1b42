"""Take in a network: check that a stage can run it, measure it, and write its weights with a card."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from photorestore.errors import BrokenArtifact
from photorestore.networks.imported import FACE_PX, ImportedNetwork, described
from photorestore.networks.origin import Imported
from photorestore.networks.runner import load_runner
from photorestore.networks.weights import save_values, weights_file
from photorestore.options import SCALES
from photorestore_import.card import NOT_STATED, card
from photorestore_import.measuring import LEAST_DB, Measured, bfloat16_of, made, measure, repeats
from photorestore_import.reading import Refused, read


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to become of a file of weights.

    Attributes:
        file: with the weights.
        stage: in which the network is to work.
        name: under which callers will ask for it.
        licence: under which the weights come, in words.
        root: the folder `weights/`.
        sha256: in hexadecimal, which the file must have; None: any.
    """

    file: Path
    stage: str
    name: str
    licence: str
    root: Path
    sha256: str | None = None

    @property
    def target(self) -> Path:
        """Return where the weights will lie."""
        return weights_file(self.stage, self.name, self.root)

    @property
    def card(self) -> Path:
        """Return where their card will lie."""
        return self.target.with_suffix(".md")


def take(wanted: Wanted) -> str:
    """Take in a network, and return its card.

    Raises:
        Refused: it cannot work in the stage; nothing is written.
        OSError: weights or card cannot be written.
    """
    values, sha256 = read(wanted.file, wanted.sha256)
    architecture, measured = _measured(values, wanted.stage)
    metrics = {name: value for name, value in asdict(measured).items() if value not in (None, -math.inf)}
    metadata = {
        "architecture": architecture,
        "data": NOT_STATED,
        "licence": wanted.licence,
        "metrics": metrics,
        "origin": Imported(NOT_STATED, NOT_STATED, wanted.file.name, sha256, wanted.licence).to_mapping(),
    }
    text = card(
        wanted.stage, wanted.name, metadata, measured, sum(value.numel() for value in values.values())
    )
    _write(wanted, values, metadata, text)
    return text


def _measured(values: Mapping[str, Tensor], stage: str) -> tuple[dict[str, Any], Measured]:
    """Return the arguments of `ImportedNetwork`, and what was measured.

    Raises:
        Refused: it cannot work in the stage.
    """
    try:
        found = described(values)
    except (ImportError, ValueError) as error:
        raise Refused(str(error)) from error
    _require_fit(found, stage)
    needs = found.size_requirements
    architecture: dict[str, Any] = {"kind": found.architecture.id, "stage": stage, "scale": found.scale}
    if stage == "face":
        architecture["side_px"] = -(-max(FACE_PX, needs.minimum) // needs.multiple_of) * needs.multiple_of
    network = ImportedNetwork(values, **architecture).eval()
    image = made(FACE_PX, FACE_PX) if stage == "face" else made(64, 72)
    try:
        _require_sound(network, image, found.scale)
        if stage == "face":
            measured = Measured(None, None, 1, None, bfloat16_of(network, image))
        else:
            measured = measure(network, found.scale, needs.multiple_of)
    except (AssertionError, IndexError, RuntimeError, TypeError, ValueError) as error:
        raise Refused(f"it cannot compute a picture: {error!r:.300}") from error
    architecture |= {"stride": measured.stride, "reach_px": measured.reach_px}
    return architecture | {"in_bfloat16": measured.bfloat16_db > LEAST_DB}, measured


def _require_fit(found: Any, stage: str) -> None:
    """Raise `Refused` where a network, as spandrel describes it, is not one for the stage."""
    name = found.architecture.name
    if found.purpose == "Inpainting":
        raise Refused(
            f"{name} fills holes that a mask marks; expected a network that is given a picture only"
        )
    if (found.input_channels, found.output_channels) != (3, 3):
        raise Refused(
            f"{name} makes {found.output_channels} channels of {found.input_channels}; expected 3 of 3 (RGB)"
        )
    scales = tuple(scale for scale in SCALES if scale > 1) if stage == "upscale" else (1,)
    if found.scale not in scales:
        raise Refused(f"{name} enlarges by {found.scale}; {stage} takes {' or '.join(map(str, scales))}")
    if found.size_requirements.square and stage != "face":
        raise Refused(f"{name} takes square pictures only")


def _require_sound(network: ImportedNetwork, image: Tensor, scale: int) -> None:
    """Raise `Refused` where what comes out of a picture is of no use."""
    result = network(image)
    expected = (1, 3, scale * image.shape[-2], scale * image.shape[-1])
    if tuple(result.shape) != expected:
        raise Refused(f"it makes {tuple(result.shape)} of {tuple(image.shape)}; expected {expected}")
    if not bool(torch.isfinite(result).all()):
        raise Refused("what it makes of a picture is not finite")
    if not repeats(network, image):
        raise Refused("it makes something else of the same picture each time")


def _write(wanted: Wanted, values: Mapping[str, Tensor], metadata: Mapping[str, Any], text: str) -> None:
    """Write weights and card, and put them where they are looked for once they load as a stage loads them.

    Raises:
        Refused: they do not; nothing is left of them.
    """
    network = ImportedNetwork(values, **metadata["architecture"]).eval()
    wanted.target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".import-", dir=wanted.root) as folder:
        trial = replace(wanted, root=Path(folder))
        save_values(trial.target, values, network, metadata)
        trial.card.write_text(text)
        try:
            load_runner(wanted.stage, wanted.name, root=trial.root)
        except BrokenArtifact as error:
            raise Refused(str(error)) from error
        trial.target.chmod(0o644)
        trial.card.replace(wanted.card)
        trial.target.replace(wanted.target)
