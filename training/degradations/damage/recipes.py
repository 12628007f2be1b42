"""Recipes: the ranges from which the damage of film is drawn."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DamageRecipe:
    """Ranges that `damage` draws from.

    Attributes:
        layers: number of layers, both ends included.
        opacity: of a layer.
        white, black: chance of a near-white and of a near-black layer; the rest has the colour of paper.
        stamp_scale: size of a stamp as a share of its 256 px.
        density: multiplies the number of defects per area.
        clean: chance that a picture stays undamaged.
        body: factor on a layer's coverage, which stops at 1: a defect hides what is below it over most of its width,
            and only its rim is half transparent.
        worn: chance that a layer is worn off in places.
        paper: range of brightness of a layer that has the colour of paper.
        visible: change, in any channel, below which a pixel keeps its value and counts as undamaged.
        blur: greatest standard deviation, in px, by which a layer's coverage is blurred.
    """

    layers: tuple[int, int] = (1, 4)
    opacity: tuple[float, float] = (0.6, 1.0)
    white: float = 0.6
    black: float = 0.25
    stamp_scale: tuple[float, float] = (0.15, 1.2)
    density: tuple[float, float] = (0.3, 2.0)
    clean: float = 0.1
    body: tuple[float, float] = (1.0, 3.0)
    worn: float = 0.15
    paper: tuple[float, float] = (0.65, 1.0)
    visible: float = 16 / 255
    blur: float = 0.9


DEFAULT_RECIPE = DamageRecipe()
MODERATE_RECIPE = DamageRecipe(
    layers=(1, 3),
    opacity=(0.8, 1.0),
    stamp_scale=(0.3, 1.2),
    density=(0.3, 1.5),
    clean=0.0,
    body=(1.5, 3.0),
    worn=0.1,
    paper=(0.75, 1.0),
    visible=20 / 255,
)
"""Damage that one sees at a glance: the damage set, validation, and a part of the training."""
