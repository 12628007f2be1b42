"""Judge what a picture is and what is wrong with it, by `JudgeNet`, and so how much is done by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.runner import Runner
from photorestore.options import AUTO, GENTLE, THOROUGH, UNTOUCHED, Options
from photorestore.pixels.luma import luma_of
from photorestore.pixels.region import in_8_bits, is_opaque
from photorestore.stages.preprocess.network import FLAGS, KINDS
from photorestore.stages.preprocess.scene import told
from photorestore.workspace import Array

VIEW_PX = 288
"""Sides of the view; a picture that is not square is squeezed."""
CROP_PX = 96
CROP_CENTRES = ((0.3, 0.35), (0.35, 0.7), (0.7, 0.3), (0.65, 0.65))
"""As shares of height and width, around the middle; crops stay out of a border of a tenth."""
MAY_BE_DAMAGED = [KINDS.index(kind) for kind in ("photograph", "print", "screenshot")]
"""Kinds of which the detector is asked. A drawing may be torn and is left alone; a screenshot cannot be."""
DRAWN = ("line_art", "halftone", "screenshot")
"""Kinds that are no photograph."""
FEW_LEVELS = 4
"""A picture with no more values than this is bilevel or close to it, so it shows neither noise nor cracks."""

SURE_NO_PHOTO = 0.8
"""Least probability of a drawing, a halftone or a screenshot from which a picture is left alone."""
SURE_PRINT = 0.5
"""Least probability of a print from which a picture is restored thoroughly."""
SURE_COLOUR_PRINT = 0.7
"""The same for a picture of many hues: most old prints have one."""
MANY_HUES_255 = 4.5
"""A picture has many hues from this on: 7 of 95 old training photographs, 153 of 172 others."""
SURE_DAMAGE = 0.7
"""Least probability of damage that alone makes the restoration thorough: so are 23 of 31 held-out photographs under
synthetic damage, and 4 of 91 undamaged ones, 3 of which are taken for prints whatever the limit; at .5 one more of
these."""

FOUND, MUCH_FOUND = 0.95, 0.004
"""If the detector is as sure as the first of a larger share of the view than the second, that is damage, whatever else
is thought of the picture: so it is in 31 of 56 damaged pictures, held out and made in code, that would be treated
gently otherwise, and in 2 of 218 sound ones (`python -m training.tune_judgement`, also with `--much-found 1`)."""
LIKELY = 0.85
"""Least probability of damage of such a picture."""

Pixels = npt.NDArray[np.uint8]
Place = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found. Checks itself.

    Attributes:
        kinds: probability of each of `KINDS`, by name; together 1.
        flags: probability of each of `FLAGS`, by name.
        hues_255: how far its colours stray from one hue for each tone, from `stray_hues`.

    Raises:
        ValueError: a name is unknown or lacking, or a number is no probability.
    """

    kinds: Mapping[str, float]
    flags: Mapping[str, float]
    hues_255: float = 0.0

    def __post_init__(self) -> None:
        for found, names in ((self.kinds, KINDS), (self.flags, FLAGS)):
            if set(found) != set(names):
                raise ValueError(f"probabilities are of {sorted(found)}; expected {', '.join(names)}")
            for name, value in found.items():
                if not 0 <= value <= 1:
                    raise ValueError(f"{name} is {value}; expected 0 to 1")

    @property
    def kind(self) -> str:
        """Return the likeliest of `KINDS`."""
        return max(self.kinds, key=self.kinds.__getitem__)

    @property
    def no_photo(self) -> float:
        """Return the probability that it is neither a photograph nor a print of one."""
        return 1 - min(1.0, self.kinds["photograph"] + self.kinds["print"])

    def says(self, flag: str) -> bool:
        """Return whether one of `FLAGS` is more likely than not; of what is not a photograph only the tone can be."""
        return self.flags[flag] >= 0.5 and (flag == "toned" or self.no_photo < 0.5)


def resolve_mode(options: Options, judgement: Judgement | None) -> str:
    """Return the mode: what the options say; else by the judgement, and gentle where nothing is sure."""
    if options.mode != AUTO:
        return options.mode
    if judgement is None:
        return GENTLE
    if judgement.no_photo >= 0.5:
        return UNTOUCHED if judgement.no_photo >= SURE_NO_PHOTO else GENTLE
    sure = SURE_PRINT if judgement.hues_255 < MANY_HUES_255 else SURE_COLOUR_PRINT
    is_print = judgement.kinds["print"] >= sure or (judgement.kind == "print" and judgement.says("damaged"))
    return THOROUGH if is_print or judgement.flags["damaged"] >= SURE_DAMAGE else GENTLE


def judge(
    image: Array,
    network: Runner[Tensor],
    detector: Runner[Tensor],
    see: Callable[[], Tensor],
    alpha: Array | None = None,
) -> Judgement:
    """Judge a plane (3, H, W); the cost is the same for every size.

    Args:
        network: a `JudgeNet`.
        detector: a `ScratchUNet` for damage in prints; runs unless the picture is likelier a drawing or a halftone.
        see: looks at what the picture shows, for the detector; see `scene.features_of`.
        alpha: the picture's plane (1, H, W); colours that it hides are not looked at.
    """
    view, crops = glimpse(image, alpha)
    seen = _as_input(view)
    logits, least = network(seen, _as_input(crops)), 0.0
    if float(logits[:, : len(KINDS)].softmax(1)[:, MAY_BE_DAMAGED].sum()) >= 0.5:
        scratch_logits = detector(seen, *told(detector, see(), VIEW_PX, VIEW_PX))
        scratch_prob = scratch_logits.sigmoid()
        logits = network.part("weigh")(logits, scratch_prob)
        least = LIKELY if float((scratch_prob >= FOUND).float().mean()) >= MUCH_FOUND else 0.0
    logits = logits[0].double().cpu()
    kinds = dict(zip(KINDS, logits[: len(KINDS)].softmax(0).tolist(), strict=True))
    if least:
        kinds = _no_screenshot(kinds)
    if has_few_levels(image, alpha):
        kinds = dict.fromkeys(KINDS, 0.0) | {max(DRAWN, key=kinds.__getitem__): 1.0}
    flags = dict(zip(FLAGS, logits[len(KINDS) :].sigmoid().tolist(), strict=True))
    flags["damaged"] = max(flags["damaged"], least)
    return Judgement(kinds, flags, stray_hues(view))


def _no_screenshot(kinds: Mapping[str, float]) -> dict[str, float]:
    """What is cracked is none: its probability goes to photographs and prints, whose ratio stays."""
    factor = 1 + kinds["screenshot"] / (kinds["photograph"] + kinds["print"])
    told = {kind: factor * kinds[kind] for kind in ("photograph", "print")}
    return {**kinds, **told, "screenshot": 0.0}


def stray_hues(view: Pixels) -> float:
    """Return the mean distance of colours from the mean colour of their tone, in 8-bit units: 0 for grey and sepia."""
    luma = luma_of(view.astype(np.float32))
    tones = (luma / 16).astype(np.intp).ravel()
    counts = np.maximum(np.bincount(tones, minlength=16), 1)
    stray = 0.0
    for channel in (view[0], view[2]):
        chroma = (channel - luma).ravel()
        usual = np.bincount(tones, chroma, minlength=16) / counts
        stray += float(np.abs(chroma - usual[tones]).mean())
    return stray


def has_few_levels(image: Array, alpha: Array | None = None) -> bool:
    """Return whether a plane holds at most `FEW_LEVELS` different values, judged by a sample."""
    place = _sampled(image)
    values = in_8_bits(image[:, *place])
    if alpha is not None:
        values = values[:, is_opaque(alpha[0][place])]
    return int(np.count_nonzero(np.bincount(values.ravel(), minlength=256))) <= FEW_LEVELS


def glimpse(image: Array, alpha: Array | None = None) -> tuple[Pixels, Pixels]:
    """Return what is judged of a plane (3, H, W): (3, VIEW_PX, VIEW_PX) and (K, 3, CROP_PX, CROP_PX), in 8 bits.

    However large the picture is, about as many of its pixels are read.
    """
    _, h, w = image.shape
    sample = torch.from_numpy(_visible(image, alpha, _sampled(image)))
    view = F.adaptive_avg_pool2d(sample.float(), VIEW_PX).round().byte().numpy()
    crops = [_crop(image, alpha, round(y * h), round(x * w)) for y, x in CROP_CENTRES]
    return view, np.stack(crops)


def _sampled(image: Array) -> Place:
    """Every n-th row and m-th column, so that at least twice `VIEW_PX` of each stay, if there are so many."""
    row_step, column_step = (max(1, side // (2 * VIEW_PX)) for side in image.shape[1:])
    return slice(None, None, row_step), slice(None, None, column_step)


def _visible(image: Array, alpha: Array | None, place: Place) -> Pixels:
    """A part of a plane; transparent pixels, which may hold anything, get the mean colour of the others."""
    part = in_8_bits(image[:, *place])
    if alpha is None:
        return part
    opaque = is_opaque(alpha[0][place])
    mean = part[:, opaque].mean(1).round() if opaque.any() else np.zeros(len(part))
    return np.where(opaque, part, mean.astype(np.uint8)[:, None, None])


def _crop(image: Array, alpha: Array | None, y: int, x: int) -> Pixels:
    """A square around a place, moved inside the picture; a smaller picture is mirrored on."""
    _, h, w = image.shape
    top = min(max(0, y - CROP_PX // 2), max(0, h - CROP_PX))
    left = min(max(0, x - CROP_PX // 2), max(0, w - CROP_PX))
    crop = _visible(image, alpha, (slice(top, top + CROP_PX), slice(left, left + CROP_PX)))
    _, high, wide = crop.shape
    return np.pad(crop, ((0, 0), (0, CROP_PX - high), (0, CROP_PX - wide)), "symmetric")


def _as_input(pixels: Pixels) -> Tensor:
    """One more leading axis, in [0, 1]."""
    return torch.from_numpy(pixels)[None].float() / 255
