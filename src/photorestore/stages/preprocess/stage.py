"""Preprocess: decode the upload, judge it, estimate what is wrong with it, and normalise it when asked."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from torch import Tensor

from photorestore.blur_words import is_picture
from photorestore.envelope import Promise
from photorestore.errors import BrokenArtifact
from photorestore.findings import find
from photorestore.housekeeping import require_room
from photorestore.imaging import LIMITS, Limits, Needs, check_enlarged, choose_format, open_to_decode, promise
from photorestore.imaging.decoders.header import Picture
from photorestore.imaging.decoders.raw import Demosaic, RawPicture
from photorestore.imaging.psf_picture import read_psf
from photorestore.methods import FIND_IMPULSES
from photorestore.pixels.hidden import cover
from photorestore.source import Source
from photorestore.stage_planes import room_bytes_px
from photorestore.stages.networked import NetworkStage, Runners
from photorestore.stages.preprocess.demosaic import demosaick
from photorestore.stages.preprocess.estimates import is_one_colour
from photorestore.stages.preprocess.findings import Decided, PreprocessFindings
from photorestore.stages.preprocess.judgement import Judgement, judge, resolve_mode
from photorestore.stages.preprocess.looking import look
from photorestore.stages.preprocess.marked import has_mask, read_mask
from photorestore.stages.preprocess.referenced import read_reference
from photorestore.stages.preprocess.scene import TRUNK, features_of, hand_on, plane_view
from photorestore.workspace import Array, Workspace

DEMOSAIC = "preprocess_demosaic"
RESULT_BYTES_PX = 3
"""Room for the result, in bytes per pixel; twice that for 16 bits."""


class PreprocessStage(NetworkStage):
    """Writes the planes `image`, `alpha`, `hidden`, `wide` and `hole_mask`; always works.

    Its networks see a small view of each picture, or a raw file's mosaic, and are the same in all tiers.

    Args:
        networks: what judges pictures, the detector that it asks, and what demosaicks. Without them no picture is
            judged, all are treated gently, and LibRaw develops raw files.
        limits: of what is taken in.
    """

    name: ClassVar[str] = "preprocess"

    def __init__(self, networks: Runners | None = None, limits: Limits = LIMITS) -> None:
        super().__init__(networks or {})
        self.limits = limits

    def take_turns(self, turn: contextlib.AbstractContextManager[None]) -> None:
        """Let what demosaicks take turns; what the others see is so small that waiting would take longer."""
        if DEMOSAIC in self.networks:
            self.networks[DEMOSAIC].turn = turn

    def run(self, batch: Sequence[Workspace]) -> None:
        for workspace in batch:
            self._run(workspace)

    def _run(self, workspace: Workspace) -> None:
        is_given = "image" in workspace.envelope.planes
        found = self._take_over(workspace) if is_given else self._acquire(workspace)
        workspace.envelope.estimates[self.name] = found
        workspace.envelope.current = "image"
        read_mask(workspace, self.limits)
        if (psf := workspace.options.psf) is not None and is_picture(psf):
            read_psf(psf)  # a wrong one is refused before anything is done
        read_reference(workspace, self.limits)
        workspace.ran(self.name, _describe(workspace.source, found))

    def _acquire(self, workspace: Workspace) -> Decided:
        upload = workspace.read_file("upload")
        if upload is None:
            raise BrokenArtifact("the workspace holds no upload")
        picture = open_to_decode(upload, self.limits, self._demosaic(workspace))
        header = picture.header
        height, width = header.upright_hw
        bits = header.bits
        if workspace.envelope.promise is None:
            workspace.envelope.promise = promise(
                header, workspace.options, workspace.envelope.accept, self.limits
            )
        is_wide = isinstance(picture, RawPicture) and workspace.options.colour == "source"
        _reserve(workspace, height, width, bits, has_alpha=header.has_alpha, is_wide=is_wide)
        found = self._write_planes(workspace, picture)
        for name in ("exif", "xmp", "icc"):
            if block := getattr(header, name):
                workspace.write_file(name, block)
        workspace.envelope.source = header.as_source()
        return found

    def _demosaic(self, workspace: Workspace) -> Demosaic | None:
        if DEMOSAIC not in self.networks:
            return None
        return partial(demosaick, self.networks[DEMOSAIC], workspace.options.sigma_255)

    def _take_over(self, workspace: Workspace) -> Decided:
        """Start from a plane `image` that is there already: from the in-process door, or from an earlier run."""
        envelope = workspace.envelope
        before = find(envelope.estimates, Decided)
        if before is not None:
            return before
        image = workspace.plane("image")
        _, height, width = image.shape
        has_alpha, scale = "alpha" in envelope.planes, workspace.options.scale
        if envelope.source is None:
            envelope.source = Source.of_array(width, height, 8 * image.dtype.itemsize, has_alpha=has_alpha)
        check_enlarged(width, height, scale, self.limits)
        needs = Needs(scale * width, scale * height, has_alpha=has_alpha, bits=envelope.source.bits)
        envelope.promise = Promise(choose_format(workspace.options, envelope.accept, needs))
        _reserve(workspace, height, width, envelope.source.bits, has_alpha=has_alpha)
        alpha = workspace.plane("alpha") if has_alpha else None
        if alpha is None and not workspace.options.normalise:
            return self._look(workspace, image, alpha)
        with workspace.new_plane("image", image.shape, image.dtype.name) as own:
            own[:] = image
            cover(workspace, own, alpha)
            return self._look(workspace, own, alpha)

    def _write_planes(self, workspace: Workspace, picture: Picture) -> Decided:
        header = picture.header
        height, width = header.upright_hw
        dtype = f"uint{header.bits}"
        with contextlib.ExitStack() as planes:
            image = planes.enter_context(workspace.new_plane("image", (3, height, width), dtype))
            alpha = None
            if header.has_alpha:
                alpha = planes.enter_context(workspace.new_plane("alpha", (1, height, width), dtype))
            if isinstance(picture, RawPicture) and workspace.options.colour == "source":
                picture.wide = planes.enter_context(workspace.new_plane("wide", image.shape, "uint16"))
            picture.decode(image, alpha)
            cover(workspace, image, alpha)
            return self._look(workspace, image, alpha, header.quantisation)

    def _look(
        self,
        workspace: Workspace,
        image: Array,
        alpha: Array | None,
        quantisation: Sequence[int] | None = None,
    ) -> Decided:
        judgement: Judgement | None = None
        if self.networks and _needs_judgement(workspace):
            network, detector = self.networks["preprocess_judge"], self.networks["scratch_print"]
            judgement = judge(image, network, detector, partial(self._see, workspace, image), alpha)
        options = workspace.options
        if not workspace.envelope.is_measured:
            return Decided(one_colour=is_one_colour(image), mode=resolve_mode(options, judgement))
        return look(image, alpha, judgement, options, quantisation)

    def _see(self, workspace: Workspace, image: Array) -> Tensor:
        """Look at what a picture shows, and hand it on, unless what follows is given another picture."""
        features = features_of(self.networks[TRUNK], plane_view(image))
        if not workspace.options.normalise:
            hand_on(workspace, features)
        return features


def _needs_judgement(workspace: Workspace) -> bool:
    """Return whether anything depends on it.

    If stages are named only the tone and the level of noise do, with a mask alone nothing does.
    """
    options = workspace.options
    if options.stages is None:
        return not has_mask(workspace)
    return options.wants("translate") is True or (
        options.wants("denoise") is True and options.sigma_255 is None
    )


def _reserve(
    workspace: Workspace, height: int, width: int, bits: int, *, has_alpha: bool, is_wide: bool = False
) -> None:
    """Check the room for everything that will be written for this picture, by all stages."""
    sample_bytes, scale = bits // 8, workspace.options.scale
    bytes_px = room_bytes_px(
        sample_bytes,
        has_alpha=has_alpha,
        has_mask=has_mask(workspace),
        scale=scale,
        is_blurred=workspace.options.may_look("deblur"),
        is_weathered=workspace.options.may_work("weather"),
        is_coloured=workspace.options.may_work("colorize"),
        has_impulses=workspace.options.denoise_method in FIND_IMPULSES,
        is_wide=is_wide,
    )
    bytes_px += scale**2 * RESULT_BYTES_PX * sample_bytes
    require_room(workspace.root, height * width * bytes_px)


def _describe(source: Source, found: Decided) -> str:
    parts = [f"{source.format} {source.mode} {source.width}x{source.height}, {source.bits} bits"]
    if source.orientation != 1:
        parts.append(f"turned (orientation {source.orientation})")
    if source.icc:
        parts.append(f"from {source.icc}")
    if found.is_normalised:
        parts.append("cast and contrast normalised")
    if isinstance(found, PreprocessFindings):
        parts.append(f"noise sigma {found.sigma_255:.1f} of 255")
    if found.confidence is not None:
        parts.append(f"a {found.kind_in_words} ({100 * found.confidence:.0f} %): {found.mode}")
    return ", ".join(parts)
