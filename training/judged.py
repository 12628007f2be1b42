"""Pictures of each kind, with what is wrong with them, for the judgement: drawn from `rng`.

Photographs stay clean, become noisy or grey, or are made into prints: toned, faded, grainy, soft, on paper, damaged.
Real old prints stand beside them. Drawings, halftones and screenshots are made in code. Any may get a border, be
scaled and be stored as JPEG. What a picture was made with says what is wrong with it; where that is not sure, the
answer is `UNKNOWN` and teaches nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.stages.preprocess.judgement import glimpse
from photorestore.stages.preprocess.network import FLAGS, KINDS
from training.degradations import fading, noise
from training.degradations.ageing import contrast_of, tone, tone_of, unevenly_aged
from training.degradations.damage import damage
from training.degradations.damage.recipes import DEFAULT_RECIPE
from training.degradations.drawings import draw_line_art, draw_screenshot, halftone
from training.degradations.framing import any_part, any_side, any_size, bordered, scaled, soft_scene
from training.degradations.lookalikes import draw_lookalike
from training.degradations.prints import damage_print
from training.degradations.sources import DamageSources, PrintSources
from training.degradations.structure import draw_structure
from training.randomness import chance, log_uniform, pick, randint, uniform, weighted_index

UNKNOWN = -1.0
SHARES = {"photograph": 0.4, "print": 0.36, "line_art": 0.1, "halftone": 0.06, "screenshot": 0.08}
"""How often each kind is drawn."""
REAL_SHARE = 0.5
"""Of the prints: those that time has made."""
DAMAGED_SHARES = (0.0004, 0.003)
"""Below the first share of pixels that damage covers a picture counts as sound, above the second as damaged."""


@dataclass(frozen=True, slots=True)
class RealPrint:
    """A real old print.

    Attributes:
        image: uint8 (3, H, W).
        damaged: 1, 0 or `UNKNOWN`.
    """

    image: Tensor
    damaged: float


@dataclass(frozen=True, slots=True)
class Sources:
    """What pictures are made of: photographs in uint8 (3, H, W), by folder; prints; damage."""

    folders: Sequence[Sequence[Tensor]]
    prints: Sequence[RealPrint]
    film: DamageSources
    cracks: PrintSources


@dataclass(frozen=True, slots=True)
class Judged:
    """A picture (3, H, W) in [0, 1], its kind (an index, or -1), and 1, 0 or `UNKNOWN` for what may be wrong."""

    image: Tensor
    kind: int
    damaged: float = 0.0
    noisy: float = 0.0
    faded: float = 0.0
    toned: float = UNKNOWN

    @property
    def flags(self) -> list[float]:
        """In the order of `FLAGS`."""
        return [getattr(self, name) for name in FLAGS]


def make_sample(sources: Sources, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One picture as it is looked at.

    Returns:
        view, crops: uint8, as `glimpse` gives them.
        kind: int64, -1 where it is not known.
        flags: (4,) of 1, 0 and `UNKNOWN`.
    """
    index = weighted_index(list(SHARES.values()), rng)
    return as_seen(MAKERS[list(SHARES)[index]](sources, rng), rng)


def make_structured(sources: Sources, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One sound photograph with structure or lookalikes of damage in it, as `make_sample` gives it."""
    image = any_photo(sources, rng)
    for _ in range(randint(1, 4, rng)):
        image = (draw_lookalike if chance(0.5, rng) else draw_structure)(image, rng)
    return as_seen(Judged(image, KINDS.index("photograph")), rng)


def as_seen(judged: Judged, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A picture as it is stored and looked at; see `make_sample`."""
    judged = stored(judged, rng)
    view, crops = glimpse((judged.image * 255).round().byte().numpy())
    return (
        torch.from_numpy(view),
        torch.from_numpy(crops),
        torch.tensor(judged.kind),
        torch.tensor(judged.flags),
    )


def any_photo(sources: Sources, rng: torch.Generator) -> Tensor:
    """A part of a photograph, flipped, scaled, at times in other tones or with a lookalike of damage in it."""
    folder = pick(sources.folders, rng)
    photo = any_part(pick(folder, rng), rng).float() / 255
    photo = scaled(photo, any_side(rng))
    if chance(0.3, rng):
        photo = photo[torch.randperm(3, generator=rng)]
    if chance(0.2, rng):
        photo = draw_lookalike(photo, rng)
    return photo ** uniform(0.6, 1.6, rng) if chance(0.3, rng) else photo


def photograph(sources: Sources, rng: torch.Generator) -> Judged:
    """Clean, grey, noisy, toned by computer, with lines and letters in it, or damaged."""
    image = soft_scene(*any_size(rng), rng) if chance(0.05, rng) else any_photo(sources, rng)
    judged = Judged(image, KINDS.index("photograph"))
    if chance(0.2, rng):
        draw = draw_lookalike if chance(0.5, rng) else draw_structure
        judged = replace(judged, image=draw(judged.image, rng))
    if chance(0.35, rng):
        judged = replace(judged, image=fading.grey(judged.image), toned=0.0)
        if chance(0.15, rng):
            toned = fading.sepia(judged.image, uniform(0.4, 1, rng))
            judged = replace(judged, image=toned, toned=1.0, kind=-1)
    if chance(0.1, rng):  # hazy or soft, but nothing is lost
        judged = replace(
            judged, image=fading.fade(judged.image, uniform(0, 0.2, rng), uniform(0.4, 0.9, rng))
        )
        judged = replace(judged, faded=UNKNOWN)
    if chance(0.1, rng):
        judged = replace(judged, image=fading.blur(judged.image, uniform(0.4, 1.5, rng)))
    if chance(0.15, rng):
        lq, alpha = _damage(judged.image.clamp(0, 1), sources, rng, film=0.4)
        judged = replace(judged, image=lq, damaged=_is_damaged(alpha), kind=-1)
    return with_noise(judged, rng) if chance(0.3, rng) else judged


def synthetic_print(sources: Sources, rng: torch.Generator) -> Judged:
    """A photograph made old: a silver print, grey or toned, or a colour print whose dyes have gone.

    What shows little makes no print of it: a soft or warm photograph is none yet.
    """
    image, is_colour = any_photo(sources, rng), chance(0.25, rng)
    faded, toned, signs = 0.0, UNKNOWN if is_colour else 0.0, 0
    image = image if is_colour else fading.grey(image)
    if chance(0.5, rng):
        sigma_px = uniform(0.5, 1.8, rng)
        image, signs = fading.blur(image, sigma_px), signs + (sigma_px > 1.2)
    damaged = 0.0
    if chance(0.65, rng):
        image, alpha = _damage(image.clamp(0, 1), sources, rng)
        damaged = _is_damaged(alpha)
        signs += 2 * (damaged == 1)
    if chance(0.6, rng) or is_colour:
        image, faded = _faded(image, rng)
        signs += faded == 1
    if is_colour:
        strength = uniform(0.3, 1, rng)
        image = fading.colour_cast(fading.bleach(image, strength), 0.15, rng)
        signs += strength > 0.6
    elif chance(0.5, rng):
        image, toned, signs = tone(image, rng), 1.0, signs + 1
    if chance(0.4, rng):
        opacity, texture = uniform(0.08, 0.4, rng), pick(sources.film.papers, rng)
        image, signs = fading.paper(image, texture, opacity, rng), signs + (opacity > 0.2)
    if chance(0.35, rng):
        image, signs = unevenly_aged(image, rng), signs + (not is_colour)
    kind = KINDS.index("print") if signs >= 2 else -1
    judged = Judged(image.clamp(0, 1), kind, damaged, 0.0, faded, toned)
    return with_noise(judged, rng, grain=0.8) if chance(0.55, rng) else judged


def real_print(sources: Sources, rng: torch.Generator) -> Judged:
    """A real old print, mostly as a whole; what its own tone and contrast say is all that is known beside its kind."""
    real = pick(sources.prints, rng)
    image = any_part(real.image, rng).float() / 255
    if chance(0.6, rng):
        image = scaled(image, any_side(rng))
    damaged = real.damaged
    if chance(0.1, rng):
        image = image ** uniform(0.7, 1.4, rng)
    if chance(0.2, rng):
        image = fading.grey(image)
    elif chance(0.15, rng):
        image = tone(fading.grey(image), rng)
    if chance(0.15, rng):
        image, alpha = _damage(image, sources, rng)
        damaged = max(damaged, _is_damaged(alpha))
    faded = UNKNOWN
    if chance(0.2, rng):
        image, faded = _faded(image, rng)
    judged = Judged(image.clamp(0, 1), KINDS.index("print"), damaged, UNKNOWN, faded or UNKNOWN)
    judged = replace(judged, toned=tone_of(judged.image), faded=_is_faded(judged))
    return with_noise(judged, rng) if chance(0.1, rng) else judged


def any_print(sources: Sources, rng: torch.Generator) -> Judged:
    """A real or a made one."""
    return real_print(sources, rng) if chance(REAL_SHARE, rng) else synthetic_print(sources, rng)


def line_art(_sources: Sources, rng: torch.Generator) -> Judged:
    """Line art, a chart, a page."""
    return _aside(draw_line_art(*any_size(rng), rng), "line_art", rng)


def screened(sources: Sources, rng: torch.Generator) -> Judged:
    """A halftone of a photograph."""
    return replace(Judged(halftone(any_photo(sources, rng), rng), KINDS.index("halftone")), noisy=UNKNOWN)


def screenshot(sources: Sources, rng: torch.Generator) -> Judged:
    """A screenshot; now and then with a photograph in a part of it."""
    image = draw_screenshot(*any_size(rng), rng)
    if chance(0.15, rng):
        _, h, w = image.shape
        high, wide = randint(h // 6, h // 2, rng), randint(w // 6, w // 2, rng)
        top, left = randint(0, h - high, rng), randint(0, w - wide, rng)
        part = F.interpolate(any_photo(sources, rng)[None], (high, wide), mode="bilinear", antialias=True)[0]
        image[:, top : top + high, left : left + wide] = part
    return _aside(image, "screenshot", rng)


def _aside(image: Tensor, kind: str, rng: torch.Generator) -> Judged:
    """What never was a photograph: of its wear only noise is asked for."""
    judged = Judged(image, KINDS.index(kind), faded=UNKNOWN)
    if chance(0.15, rng):
        judged = replace(judged, image=scaled(image, any_side(rng)))
    return with_noise(judged, rng) if chance(0.08, rng) else judged


MAKERS: dict[str, Callable[[Sources, torch.Generator], Judged]] = {
    "photograph": photograph,
    "print": any_print,
    "line_art": line_art,
    "halftone": screened,
    "screenshot": screenshot,
}


def stored(judged: Judged, rng: torch.Generator) -> Judged:
    """In a border at times, and in 8 bits, often as JPEG."""
    image = judged.image.clamp(0, 1)
    if chance(0.3 if judged.kind == KINDS.index("print") else 0.12, rng):
        image = bordered(image, rng)
    if not chance(0.55, rng):
        return replace(judged, image=noise.quantise(image))
    is_heavy = chance(0.1, rng)
    quality = randint(10, 30, rng) if is_heavy else randint(50, 97, rng)
    compressed = noise.jpeg(image, quality, subsample=chance(0.6, rng))
    if is_heavy and judged.kind in (KINDS.index("halftone"), -1):
        return replace(judged, image=compressed, noisy=UNKNOWN)
    return replace(judged, image=compressed, noisy=1.0 if is_heavy else judged.noisy)


def with_noise(judged: Judged, rng: torch.Generator, grain: float = 0.3) -> Judged:
    """White noise, or with a chance of `grain` grain up to some pixels wide; around the limit nobody can say."""
    strength_255 = log_uniform(1.5, 45, rng)
    if chance(grain, rng):
        strength_255 = min(strength_255, 30.0)
        image = noise.film_grain(judged.image, strength_255 / 255, uniform(0.4, 2.2, rng), rng)
        limits = (3.0, 7.0)
    elif chance(0.3, rng):
        image = noise.poisson_gaussian(judged.image, (strength_255 / 255) ** 2, strength_255 / 510, rng)
        limits = (5.0, 14.0)
    else:
        image, limits = noise.gaussian(judged.image, strength_255 / 255, rng), (5.0, 9.0)
    is_noisy = 1.0 if strength_255 > limits[1] else judged.noisy if strength_255 < limits[0] else UNKNOWN
    kind = -1 if judged.kind == 0 and limits[0] == 3.0 and strength_255 > 4 else judged.kind
    return replace(judged, image=image.clamp(0, 1), noisy=is_noisy, kind=kind)


def _damage(
    image: Tensor, sources: Sources, rng: torch.Generator, film: float = 0.2
) -> tuple[Tensor, Tensor]:
    """Damage of prints, or of film with a chance of `film`; drawn at the picture's size or, as in a scan, coarser."""
    _, h, w = image.shape
    if chance(film, rng):
        return damage(image, sources.film, rng, DEFAULT_RECIPE)
    if chance(0.7, rng) or min(h, w) < 128:
        return damage_print(image, sources.cracks, rng)
    small = F.interpolate(image[None], (h // 2, w // 2), mode="area")[0]
    lq, alpha = damage_print(small, sources.cracks, rng)
    change, alpha = (F.interpolate(part[None], (h, w), mode="bilinear")[0] for part in (lq - small, alpha))
    return (image + change).clamp(0, 1), alpha


def _is_damaged(alpha: Tensor) -> float:
    share = float((alpha > 0.25).float().mean())
    return 0.0 if share < DAMAGED_SHARES[0] else 1.0 if share > DAMAGED_SHARES[1] else UNKNOWN


def _faded(image: Tensor, rng: torch.Generator) -> tuple[Tensor, float]:
    """A washed out or milky picture, and whether that shows."""
    strength = uniform(0.1, 0.7, rng)
    faded = fading.fade(image, strength, uniform(0.2, 0.95, rng))
    if chance(0.3, rng):
        faded = fading.gamma(faded, math.exp(uniform(-0.6, 0.3, rng)))
    return faded, 1.0 if strength > 0.35 else 0.0 if strength < 0.15 else UNKNOWN


def _is_faded(judged: Judged) -> float:
    """What the inner part of a real print says, where it was not faded on purpose."""
    if judged.faded == 1:
        return 1.0
    span = contrast_of(judged.image)
    return 1.0 if span < 0.55 else 0.0 if span > 0.8 else UNKNOWN
