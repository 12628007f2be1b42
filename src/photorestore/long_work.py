"""Say what takes so long that only jobs do it, and how large its pictures may be. No torch here."""

from __future__ import annotations

from photorestore.errors import UnsupportedOption
from photorestore.methods import DIP
from photorestore.options import Options

LARGEST_PX = 2**18
"""Most pixels of a picture, or of its enlargement, that `DIP` restores: it takes minutes for as many."""


def long_methods(options: Options) -> str:
    """Return which options ask for work of minutes, in words; empty where none does."""
    methods = {
        "denoise": options.denoise_method,
        "translate": options.translate_method,
        "upscale": options.upscale_method,
    }
    return " and ".join(
        f"{stage}_method={DIP}"
        for stage, method in methods.items()
        if method == DIP and options.may_work(stage)
    )


def check_size(options: Options, pixels: int) -> None:
    """Check that a picture is small enough for what takes long.

    Args:
        pixels: of the picture or of the result, whichever has more.

    Raises:
        UnsupportedOption: it is not.
    """
    if (named := long_methods(options)) and pixels > LARGEST_PX:
        raise UnsupportedOption(
            f"{named} restores pictures of at most {LARGEST_PX} pixels, the enlargement's included; "
            f"this one has {pixels}"
        )
