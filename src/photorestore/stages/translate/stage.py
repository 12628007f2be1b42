"""Translate: fill damage, and lift faded tone."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from photorestore.methods import DIP
from photorestore.networks.cuts import grid
from photorestore.networks.deep_prior import FILLS
from photorestore.networks.tiling import TileJob, Tiles, to_float
from photorestore.pixels.copied import copied
from photorestore.pixels.grain import Grain
from photorestore.pixels.grey import for_grey
from photorestore.pixels.region import Region
from photorestore.pixels.surroundings import Surroundings
from photorestore.stages.base import is_left_alone
from photorestore.stages.deep_prior import fitted
from photorestore.stages.networked import NetworkStage
from photorestore.stages.preprocess.findings import findings_of, is_grey
from photorestore.stages.scratch import masks
from photorestore.stages.scratch.masks import Marked
from photorestore.stages.translate.findings import TranslateFindings
from photorestore.stages.translate.fusion import smooth_fill
from photorestore.stages.translate.network import VIEW_PX
from photorestore.stages.translate.tone import ToneFinder, correct, find_tone
from photorestore.workspace import Array, Workspace

USUAL, FOR_PRINTS, TONE = "translate", "translate_print", "translate_tone"
"""The networks: one fills damage, one fills that of prints and may keep what seems sound, one lifts tone."""
SAMPLE_PX = 4 * VIEW_PX
"""The key view is averaged from a sample of about this many pixels a side."""


@dataclass(frozen=True, slots=True)
class Context:
    """How much of the filling is blended in, and whether the picture is grey."""

    strength: float
    is_grey: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done with one picture.

    Attributes:
        mask: (1, H, W), 255 = fill.
        image: the plane to start from.
        certainty: (1, H, W), how likely each pixel of the mask is damaged, up to full range; None = damaged for sure.
        is_callers: whether the mask is the caller's.
        corrects_tone: whether the whole picture's tone and colours are lifted.
    """

    workspace: Workspace
    image: Array
    mask: Array
    certainty: Array | None
    is_callers: bool
    corrects_tone: bool

    @property
    def is_fitted(self) -> bool:
        """Return whether the caller wants damage filled by a network that is fitted to this picture."""
        return self.workspace.options.translate_method == DIP

    def trusted(self) -> Marked | None:
        """Return where the mask is beyond doubt (H, W); None = everywhere."""
        return None if self.certainty is None else masks.trusted(self.certainty, self.mask)


class TranslateStage(NetworkStage):
    """Writes the plane `translated` where damage was found or marked, or where the picture is faded.

    Pixels outside the mask keep their values, unless the tone is corrected, which never happens if the caller gave a
    mask. The network sees what the damage left and keeps what is still good, so the filling needs no feather.
    """

    name: ClassVar[str] = "translate"

    def run(self, batch: Sequence[Workspace]) -> None:
        plans = [plan for workspace in batch if (plan := make_plan(workspace))]
        with contextlib.ExitStack() as planes:
            targets = [
                planes.enter_context(copied(plan.workspace, "translated", plan.image)) for plan in plans
            ]
            self._fill([one for one in zip(plans, targets, strict=True) if not one[0].is_fitted])
            for plan, target in zip(plans, targets, strict=True):
                if plan.is_fitted and plan.mask.any():
                    self._fill_fitted(plan, target)
                _finish(plan, target)
                if plan.corrects_tone:
                    correct_tone(self.networks[TONE], plan.workspace, target)
        for plan in plans:
            self._report(plan)

    def _fill(self, work: Sequence[tuple[Plan, Array]]) -> None:
        """Fill what is damaged beyond doubt by the usual network, and then what else is in the masks."""
        sure = [plan.trusted() for plan, _ in work]
        self.networks[USUAL].fill(
            [
                self._job(USUAL, plan, target, plan.mask[0] if places is None else places.view(np.uint8))
                for (plan, target), places in zip(work, sure, strict=True)
            ],
            _blend,
        )
        doubted = [(*one, places) for one, places in zip(work, sure, strict=True) if places is not None]
        filled = [target[:, places] for _, target, places in doubted]
        self.networks[FOR_PRINTS].fill(
            [self._job(FOR_PRINTS, plan, target, plan.mask[0]) for plan, target, _ in doubted], _blend
        )
        for (_, target, places), pixels in zip(doubted, filled, strict=True):
            target[:, places] = pixels

    def _fill_fitted(self, plan: Plan, target: Array) -> None:
        """Fill what is damaged by a network that is fitted to what is sound of this picture."""
        planes = {"image": plan.image, "scratch_mask": plan.mask}
        context = Context(plan.workspace.options.strength_of(self.name), is_grey(plan.workspace))
        job = TileJob(planes, target, context)
        fitted(FILLS, plan.workspace, self.name, self.networks[USUAL]).fill([job], _blend)

    def _job(self, network: str, plan: Plan, target: Array, wanted: Array) -> TileJob[Context]:
        view, hole = (to_float(part)[None] for part in sample(plan.image, plan.mask))
        keys = self.networks[network].part("key_view")(view, hole)
        context = Context(plan.workspace.options.strength_of("translate"), is_grey(plan.workspace))
        certainty = plan.mask if network == USUAL or plan.certainty is None else plan.certainty
        planes = {"image": plan.image, "scratch_mask": plan.mask, "certainty": certainty}
        return TileJob(planes, target, context, {"context": keys}, wanted=wanted)

    def _report(self, plan: Plan) -> None:
        _, h, w = plan.mask.shape
        spec = self.networks[USUAL].spec()
        tiles = [plan.mask[0, rows.core_start : rows.core_stop, columns.core_start : columns.core_stop].any()
                 for rows, columns in grid(h, w, spec)]  # fmt: skip
        filled = float(np.count_nonzero(plan.mask)) / (h * w)
        envelope = plan.workspace.envelope
        envelope.current = "translated"
        envelope.estimates[self.name] = TranslateFindings(
            filled=round(filled, 6), tiles=int(sum(tiles)), tone=plan.corrects_tone
        )
        method = f" by {DIP}" if plan.is_fitted and filled else ""
        tone = ", faded tone corrected" if plan.corrects_tone else ""
        plan.workspace.ran(self.name, f"{100 * filled:.2f} % filled{method}{tone}")


def _blend(pred: Tensor, tiles: Tiles[Context]) -> Tensor:
    image, mask = tiles.planes["image"], tiles.planes["scratch_mask"]
    contexts = [job.context for job in tiles.jobs]
    strength = torch.tensor([context.strength for context in contexts], device=image.device)
    pred = torch.lerp(image, pred, strength.view(-1, 1, 1, 1))
    are_grey = torch.tensor([context.is_grey for context in contexts], device=image.device)
    if are_grey.any():  # damage may have colour, so its surroundings decide
        pred = torch.where(mask > 0, for_grey(pred, smooth_fill(image, (mask > 0).float()), are_grey), pred)
    return pred


def _finish(plan: Plan, target: Array) -> None:
    """Clip the filling of a picture to what its surroundings allow, and give it grain."""
    if not plan.mask.any():
        return
    strength = plan.workspace.options.strength_of("translate")
    surroundings = Surroundings.of(target, plan.mask)
    # What the detector marked may be sound after all; what a caller marked must go.
    surroundings.hold(target, plan.image, plan.mask, strength, keeps_image=not plan.is_callers)
    if grain := Grain.of(target, plan.mask, findings_of(plan.workspace).most_grain_255):
        grain.add(target, plan.mask, strength)


def make_plan(workspace: Workspace) -> Plan | None:
    """Return what to do, or None; the reason not to goes into the trace."""
    if is_left_alone("translate", workspace):
        return None
    wanted = workspace.options.wants("translate")
    if wanted is False or workspace.options.strength_of("translate") == 0:
        workspace.passed("translate", "not asked for")
        return None
    mask = find_mask(workspace)
    corrects_tone = not workspace.is_marked and needs_tone(workspace)
    if not mask.any() and not corrects_tone:
        workspace.passed("translate", "the mask is empty" if workspace.is_marked else "no damage found")
        return None
    # In photographs what the detector marks is mostly damage, and a filling that doubts it leaves scratches standing:
    # on held-out damage of film the network for prints loses 2 dB inside of it.
    doubts = bool(mask.any()) and not workspace.is_marked and findings_of(workspace).is_print
    certainty = workspace.plane("scratch_prob") if doubts else None
    image = workspace.before("translated")
    return Plan(workspace, image, mask, certainty, workspace.is_marked, corrects_tone)


def find_mask(workspace: Workspace) -> Array:
    """Return the caller's mask, or what the detector found, grown; (1, H, W), 255 = fill."""
    mask = workspace.mask()
    if mask is None:
        return np.zeros((1, *workspace.envelope.planes["image"].shape[1:]), np.uint8)
    return mask if workspace.is_marked else masks.grow(mask)  # type: ignore[arg-type]


def sample(image: Array, mask: Array) -> tuple[Array, Array]:
    """Return every n-th pixel of a large picture, and whether the mask marks any pixel that it stands for."""
    _, h, w = image.shape
    step = max(1, max(h, w) // SAMPLE_PX)
    rows, columns = np.arange(0, h, step), np.arange(0, w, step)
    any_hole: Array = np.maximum.reduceat(np.maximum.reduceat(mask, rows, axis=1), columns, axis=2)
    picked: Array = image[:, ::step, ::step].copy()
    return picked, any_hole


def needs_tone(workspace: Workspace) -> bool:
    """Return whether tone is to be lifted: it was judged faded, and the mode is thorough or the stage was asked for."""
    found, options = findings_of(workspace), workspace.options
    is_due = options.wants("translate") or found.is_thorough
    return found.faded and is_due and not options.normalise


def correct_tone(network: ToneFinder, workspace: Workspace, image: Array) -> None:
    """Lift tone and colours of a writable plane (3, H, W) in place; what is grey or toned keeps its hue."""
    found = findings_of(workspace)
    alpha = workspace.plane("alpha") if "alpha" in workspace.envelope.planes else None
    keeps_hue = is_grey(workspace) or found.toned or None
    tone = find_tone(network, image, Region(*found.region), alpha, keeps_hue=keeps_hue)
    correct(image, tone, workspace.options.strength_of("translate"))
