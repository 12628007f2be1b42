"""Colorize: give a grey photograph colours, by what is usual, by a reference and by hints; its lightness stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from photorestore.errors import UnsupportedOption
from photorestore.hint_words import parse
from photorestore.methods import LEARNED, TRANSFER
from photorestore.networks.tiling import to_float, to_integers
from photorestore.pixels.bands import strips
from photorestore.stages.base import is_left_alone
from photorestore.stages.colorize.carrying import Colours, coloured
from photorestore.stages.colorize.findings import ColorizeFindings
from photorestore.stages.colorize.methods import Points, View, exemplar, hinted, learned, transfer
from photorestore.stages.colorize.views import lab_view_of, sight_of
from photorestore.stages.networked import NetworkStage
from photorestore.stages.preprocess.findings import decided_of
from photorestore.stages.preprocess.referenced import REFERENCE
from photorestore.stages.preprocess.scene import TRUNK
from photorestore.workspace import CONFIDENCE, Array, Workspace

STRIP_SHARE = 4
"""Strips are smaller than elsewhere by this factor, since each takes many floats for a pixel."""


class ColorizeStage(NetworkStage):
    """Writes the plane `colorized` where the caller asks for colours; never by itself."""

    name: ClassVar[str] = "colorize"

    def run(self, batch: Sequence[Workspace]) -> None:
        for workspace in batch:
            if _engages(workspace):
                self._colour(workspace)

    def _colour(self, workspace: Workspace) -> None:
        image, strength = workspace.before("colorized"), workspace.options.strength_of(self.name)
        points = _points(workspace, image)
        with torch.inference_mode():
            view = self._view(workspace, image)
            found = _found(workspace, view)
            colours = Colours.of(view.lightness, view.ab)
            if points is not None:
                colours, view = hinted(view, points)
                invented = min(found.invented, _share(1 - view.known))
                found = replace(found, invented=invented, hints=points.x.shape[1])
            workspace.write_plane(CONFIDENCE, to_integers(view.confidence[0], np.dtype(np.uint8)))
            with workspace.new_plane("colorized", image.shape, "uint16") as target:
                for strip in strips(image.shape[1], STRIP_SHARE * image.shape[2]):
                    workspace.require_wanted()
                    rows = to_float(image[:, strip])[None]
                    result = coloured(rows, colours, strip.start, image.shape[1], strength)
                    target[:, strip] = to_integers(result[0], np.dtype(np.uint16))
        workspace.envelope.current = "colorized"
        workspace.envelope.estimates[self.name] = found
        workspace.ran(self.name, found.in_words)

    def _view(self, workspace: Workspace, image: Array) -> View:
        """Return a view of the picture with its new colours, as the method that was asked for finds them."""
        method, lightness = _method(workspace), lab_view_of(image)[:, :1]
        see, guess = sight_of(self.networks[TRUNK]), self.networks[self.name]
        if method == LEARNED:
            return learned(lightness, see, guess)
        reference = lab_view_of(workspace.plane(REFERENCE))
        if method == TRANSFER:
            return transfer(lightness, reference)
        return exemplar(lightness, reference, see, guess)


def _engages(workspace: Workspace) -> bool:
    """Return whether to work; the reason not to goes into the trace."""
    options = workspace.options
    if not options.may_work("colorize"):
        workspace.passed("colorize", "not asked for")
        return False
    # Whoever asks for colours overrides the judgement of what the picture is.
    return not (decided_of(workspace).one_colour and is_left_alone("colorize", workspace))


def _method(workspace: Workspace) -> str:
    """Return the method; hints alone correct what was learned."""
    return workspace.options.colorize or LEARNED


def _points(workspace: Workspace, image: Array) -> Points | None:
    """Return the caller's hints.

    Raises:
        UnsupportedOption: one lies outside the picture.
    """
    hints = parse(workspace.options.hints or "")
    if hints is None:
        return None
    _, height, width = image.shape
    for hint in hints:
        if hint.x >= width or hint.y >= height:
            raise UnsupportedOption(
                f"the hint {hint} lies outside the picture, which has {width}x{height} px after its EXIF turn"
            )
    pixels = image[:, [hint.y for hint in hints], [hint.x for hint in hints]]
    return Points.of(hints, to_float(pixels)[None, :, None], (height, width))


def _found(workspace: Workspace, view: View) -> ColorizeFindings:
    """Return what is to be told of colours that no hint has corrected yet."""
    method = _method(workspace)
    from_reference = 1.0 if method == TRANSFER else _share(view.known)
    return ColorizeFindings(
        method=method,
        invented=round(1 - from_reference, 3),
        from_reference=from_reference,
        hints=0,
        strength=workspace.options.strength_of("colorize"),
        accepted=None if view.accepted is None else round(view.accepted, 3),
    )


def _share(of_view: Tensor) -> float:
    return round(float(of_view.mean()), 3)
