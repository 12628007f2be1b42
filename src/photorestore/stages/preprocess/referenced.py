"""Read the caller's reference: a photograph whose colours a grey one is to get."""

from __future__ import annotations

import numpy as np

from photorestore.errors import UnsupportedOption
from photorestore.imaging import Limits, open_to_decode
from photorestore.methods import EXEMPLAR, TRANSFER
from photorestore.stages.preprocess.views import reduced
from photorestore.workspace import Workspace

REFERENCE = "reference"
"""The plane: (3, h, w) in the reference's depth, of every n-th pixel."""
UPLOAD = "reference_upload"
"""The file that the caller sent."""
SIDE_PX = 1024
"""About the longest side of the plane."""


def read_reference(workspace: Workspace, limits: Limits) -> None:
    """Write a view of the caller's reference, if there is one, as a plane.

    Raises:
        UnsupportedOption: there is one that no option asks for, or none that one asks for.
        InvalidInput: it is no picture that can be read.
    """
    upload = workspace.read_file(UPLOAD)
    is_wanted = workspace.options.colorize in (EXEMPLAR, TRANSFER)
    if upload is None and is_wanted:
        method = workspace.options.colorize
        raise UnsupportedOption(f"colorize={method} needs a photograph as the part reference of a form")
    if upload is None:
        return
    if not is_wanted:
        raise UnsupportedOption(f"a reference is for colorize={EXEMPLAR} or colorize={TRANSFER}")
    picture = open_to_decode(upload, limits)
    header = picture.header
    dtype = np.uint8 if header.bits == 8 else np.uint16
    colours = np.empty((3, *header.upright_hw), dtype)
    alpha = np.empty((1, *header.upright_hw), dtype) if header.has_alpha else None
    picture.decode(colours, alpha)
    workspace.write_plane(REFERENCE, reduced(colours, SIDE_PX))
