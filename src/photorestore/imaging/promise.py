"""Decide what will be delivered, once: when an upload is taken in and its header was read.

The REST edge decides, because the result's name depends on it; `preprocess` does if a stage is asked without the edge.
"""

from __future__ import annotations

from photorestore.envelope import Promise
from photorestore.imaging.decoders.header import Header
from photorestore.imaging.files.sniff import Limits, check_enlarged
from photorestore.imaging.negotiate import Needs, choose_format
from photorestore.imaging.unchanged import own_type
from photorestore.options import Options


def promise(header: Header, options: Options, accept: str, limits: Limits) -> Promise:
    """Decide what will be delivered of an upload.

    Args:
        header: the upload's, before its pixels were decoded.
        accept: the caller's `Accept`; it counts where no format is asked for.

    Raises:
        ImageTooLarge: the enlarged picture would be too large.
        UnsupportedOption: the format asked for cannot hold a side this long.
        NotAcceptable: `Accept` allows nothing that can be delivered.
    """
    (height, width), scale = header.upright_hw, options.scale
    check_enlarged(width, height, scale, limits)
    needs = Needs(scale * width, scale * height, has_alpha=header.has_alpha, bits=header.bits)
    return Promise(
        choose_format(options, accept, needs),
        own_type(header, options, accept),
        None if options.colour == "source" else header.unconverted,
    )
