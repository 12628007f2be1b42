"""Preprocess: acquire the upload, judge it and find out what is wrong with it, normalise it when asked."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch

from photorestore.envelope import Promise
from photorestore.errors import BrokenArtifact, CorruptImage
from photorestore.housekeeping import require_room
from photorestore.imaging import LIMITS, Limits, Needs, check_enlarged, choose_format, open_picture, promise
from photorestore.imaging.decoders.header import Picture
from photorestore.imaging.planes import luma
from photorestore.networks.weights import load_network
from photorestore.options import UNTOUCHED, Options
from photorestore.pixels.hidden import cover
from photorestore.stages.base import StageConfig, autocast
from photorestore.stages.preprocess.estimates import estimate, is_one_colour
from photorestore.stages.preprocess.judgement import Judgement, judge, resolve_mode
from photorestore.stages.preprocess.network import JudgeNet
from photorestore.stages.preprocess.normalise import normalise
from photorestore.stages.scratch.network import ScratchUNet
from photorestore.stages.table import room_bytes_px
from photorestore.workspace import Array, Workspace

RESULT_BYTES_PX = 3
"""Room for the result, in bytes per pixel; twice that for 16 bits."""


class PreprocessStage:
    """Writes the planes `image`, `alpha`, `hidden` and `hole_mask`; always works.

    Its networks see a small view of each picture and are the same in all tiers.

    Args:
        networks: what judges pictures, and the detector that it asks; without them none is judged, and all are treated
            gently.
    """

    name: ClassVar[str] = "preprocess"

    def __init__(
        self,
        limits: Limits = LIMITS,
        networks: tuple[JudgeNet, ScratchUNet] | None = None,
        config: StageConfig = StageConfig(),  # noqa: B008 - frozen
        device: torch.device = torch.device("cpu"),  # noqa: B008 - a constant
    ) -> None:
        self.limits, self.networks = limits, networks
        self.precision, self.device = config.precision, device

    @classmethod
    def load(cls, config: StageConfig, weights: Path | None, device: torch.device) -> Self:
        """See `LoadableStage.load`."""
        judging, detecting = (
            load_network(name, "fast", device, root=weights) for name in ("preprocess_judge", "scratch_print")
        )
        return cls(LIMITS, (cast("JudgeNet", judging), cast("ScratchUNet", detecting)), config, device)

    def run(self, batch: Sequence[Workspace]) -> None:
        for workspace in batch:
            self._run(workspace)

    def _run(self, workspace: Workspace) -> None:
        is_given = "image" in workspace.envelope.planes
        found = self._take_over(workspace) if is_given else self._acquire(workspace)
        workspace.envelope.estimates[self.name] = found
        workspace.envelope.current = "image"
        self._read_mask(workspace)
        workspace.ran(self.name, _describe(workspace.envelope.source, found))

    def _acquire(self, workspace: Workspace) -> dict[str, Any]:
        upload = workspace.read_file("upload")
        if upload is None:
            raise BrokenArtifact("the workspace holds no upload")
        picture = open_picture(upload, self.limits)
        header = picture.header
        height, width = header.upright_hw
        bits = header.bits
        if workspace.envelope.promise is None:
            workspace.envelope.promise = promise(
                header, workspace.options, workspace.envelope.accept, self.limits
            )
        _reserve(workspace, height, width, bits, has_alpha=header.has_alpha)
        found = self._write_planes(workspace, picture)
        for name in ("exif", "xmp", "icc"):
            if block := getattr(header, name):
                workspace.write_file(name, block)
        workspace.envelope.source = header.as_source()
        return found

    def _take_over(self, workspace: Workspace) -> dict[str, Any]:
        """For a picture whose plane `image` was written by the in-process door, or by a run before this."""
        envelope = workspace.envelope
        before = envelope.estimates.get(self.name)
        if before is not None:
            return before
        image = workspace.plane("image")
        envelope.source = envelope.source or _source_of(workspace, image)
        _, height, width = image.shape
        scale = workspace.options.scale
        check_enlarged(width, height, scale, self.limits)
        needs = Needs(
            scale * width,
            scale * height,
            has_alpha="alpha" in envelope.planes,
            bits=envelope.source["bits"],
        )
        envelope.promise = Promise(choose_format(workspace.options, envelope.accept, needs))
        _reserve(workspace, height, width, envelope.source["bits"], has_alpha="alpha" in envelope.planes)
        alpha = workspace.plane("alpha") if "alpha" in envelope.planes else None
        if alpha is None and not workspace.options.normalise:
            return self._look(workspace, image, alpha)
        with workspace.new_plane("image", image.shape, image.dtype.name) as own:
            own[:] = image
            cover(workspace, own, alpha)
            return self._look(workspace, own, alpha)

    def _write_planes(self, workspace: Workspace, picture: Picture) -> dict[str, Any]:
        header = picture.header
        height, width = header.upright_hw
        dtype = f"uint{header.bits}"
        with contextlib.ExitStack() as planes:
            image = planes.enter_context(workspace.new_plane("image", (3, height, width), dtype))
            alpha = None
            if header.has_alpha:
                alpha = planes.enter_context(workspace.new_plane("alpha", (1, height, width), dtype))
            picture.decode(image, alpha)
            cover(workspace, image, alpha)
            return self._look(workspace, image, alpha, header.quantisation)

    def _look(
        self,
        workspace: Workspace,
        image: Array,
        alpha: Array | None,
        quantisation: Sequence[int] | None = None,
    ) -> dict[str, Any]:
        """Judge a plane as it came, and estimate what is wrong with it, after normalising it in place when asked."""
        judgement = self._judge(image, alpha) if _needs_judgement(workspace) else None
        found = estimate(image, quantisation, alpha=alpha) | {"one_colour": is_one_colour(image)}
        if workspace.options.normalise and not found["one_colour"]:
            found = _normalise(image, found, alpha, quantisation)
        return found | _decide(workspace.options, judgement, found)

    def _judge(self, image: Array, alpha: Array | None) -> Judgement | None:
        if self.networks is None:
            return None
        with autocast(self.precision, self.device):
            return judge(image, *self.networks, self.device, alpha)

    def _read_mask(self, workspace: Workspace) -> None:
        """The caller's mask as plane `hole_mask`: 255 where its luma is at least half and it is opaque.

        Raises:
            CorruptImage: it has not the size of the picture after the turn.
        """
        upload = workspace.read_file("mask_upload")
        if upload is None:
            return
        mask = open_picture(upload, self.limits)
        expected, got = workspace.envelope.planes["image"].shape[1:], mask.header.upright_hw
        if got != expected:
            raise CorruptImage(
                f"mask has {got[1]}x{got[0]} px; expected {expected[1]}x{expected[0]}, "
                "the size of the picture after its EXIF turn"
            )
        with workspace.new_plane("hole_mask", (1, *got), "uint8") as hole_mask:
            _threshold(mask, hole_mask)


def _needs_judgement(workspace: Workspace) -> bool:
    """Whether anything depends on it: with stages named only the tone does, with a mask alone nothing."""
    if workspace.options.stages is None:
        return not workspace.path("mask_upload").exists()
    return workspace.options.wants("translate") is True


def _decide(options: Options, judgement: Judgement | None, found: dict[str, Any]) -> dict[str, Any]:
    """The judgement and the mode, for the stages; white noise is better estimated than judged, in photographs."""
    mode = resolve_mode(options, judgement)
    if judgement is None:
        return {"mode": mode}
    decided = judgement.to_mapping() | {"mode": mode}
    is_noisy_print = judgement.kind == "print" and judgement.says("noisy")
    decided["noisy"] = mode != UNTOUCHED and (found["noisy"] or is_noisy_print)
    if "before_normalise" in found:
        decided["faded"] = found["faded"]
    return decided


def _normalise(
    image: Array, found: dict[str, Any], alpha: Array | None, quantisation: Sequence[int] | None = None
) -> dict[str, Any]:
    """Normalise a plane in place; gives the estimates of what it is now."""
    normalise(image, None if found["is_grey"] else found["cast"], alpha)
    now = estimate(image, quantisation, alpha=alpha)
    return {**found, **now, "noisy": now["noisy"] or found["noisy"], "before_normalise": found}


def _reserve(workspace: Workspace, height: int, width: int, bits: int, *, has_alpha: bool) -> None:
    """Check the room for everything that will be written for this picture, by all stages."""
    has_mask = workspace.path("mask_upload").exists()
    sample_bytes, scale = bits // 8, workspace.options.scale
    bytes_px = room_bytes_px(sample_bytes, has_alpha=has_alpha, has_mask=has_mask, scale=scale)
    bytes_px += scale**2 * RESULT_BYTES_PX * sample_bytes
    require_room(workspace.root, height * width * bytes_px)


def _threshold(mask: Picture, hole_mask: Array) -> None:
    height, width = mask.header.upright_hw
    colours = np.empty((3, height, width), f"uint{mask.header.bits}")
    alpha = np.empty((1, height, width), colours.dtype) if mask.header.has_alpha else None
    mask.decode(colours, alpha)
    half = 1 << (mask.header.bits - 1)
    is_hole = luma(colours) >= half
    if alpha is not None:
        is_hole &= alpha >= half
    np.multiply(is_hole, 255, out=hole_mask, casting="unsafe")


def _source_of(workspace: Workspace, image: Array) -> dict[str, Any]:
    has_alpha = "alpha" in workspace.envelope.planes
    return {
        "format": "array",
        "mode": "RGBA" if has_alpha else "RGB",
        "bits": 8 * image.dtype.itemsize,
        "width": image.shape[2],
        "height": image.shape[1],
        "orientation": 1,
        "has_alpha": has_alpha,
        "is_grey": False,
        "icc": None,
        "dropped": [],
    }


def _describe(source: dict[str, Any], found: dict[str, Any]) -> str:
    parts = [
        f"{source['format']} {source['mode']} {source['width']}x{source['height']}, {source['bits']} bits"
    ]
    if source["orientation"] != 1:
        parts.append(f"turned (orientation {source['orientation']})")
    if source["icc"]:
        parts.append(f"from {source['icc']}")
    if "before_normalise" in found:
        parts.append("cast and contrast normalised")
    parts.append(f"noise sigma {found['sigma_255']:.1f} of 255")
    if "kind" in found:
        parts.append(
            f"a {found['kind'].replace('_', ' ')} ({100 * found['confidence']:.0f} %): {found['mode']}"
        )
    return ", ".join(parts)
