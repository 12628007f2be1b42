"""Face: find faces, and give detail back to those that have lost it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from photorestore.findings import find
from photorestore.options import AUTO
from photorestore.pixels.copied import copied
from photorestore.pixels.grey import without_new_colour
from photorestore.stages.base import is_left_alone
from photorestore.stages.face.findings import FaceFindings, FoundFace
from photorestore.stages.face.judgement import CAREFUL, Limits
from photorestore.stages.face.refine import Outcome, Patch, find_faces, refine_faces
from photorestore.stages.face.surface import give_grain_back
from photorestore.stages.networked import NetworkStage
from photorestore.stages.preprocess.findings import findings_of, is_grey
from photorestore.stages.scratch.findings import ScratchFindings
from photorestore.workspace import Workspace

SHARE_IN_PRINTS = 0.5
"""How far a face of a print is refined where the picture decides. Refined fully, what the network takes grain and weave
for would become wrinkles and blotches."""


class FaceStage(NetworkStage):
    """Writes the plane `refined` where a face gained by being refined.

    Every face that is fit for it is refined if the caller asks for this stage, or if the picture is treated thoroughly,
    or is noisy, faded or damaged. In other pictures only faces that are surely blurred are refined. A refined face
    keeps its grain. Pixels outside the faces keep their values.
    """

    name: ClassVar[str] = "face"

    def run(self, batch: Sequence[Workspace]) -> None:
        for workspace in batch:
            if _engages(workspace):
                self._run(workspace)

    def _run(self, workspace: Workspace) -> None:
        outcomes, patches = self._look(workspace)
        workspace.envelope.estimates[self.name] = FaceFindings(tuple(map(_describe, outcomes)))
        if not patches:
            workspace.passed(self.name, _why_not(outcomes))
            return
        strength = _strength(workspace)
        with copied(workspace, "refined", workspace.before("refined")) as target:
            for patch in patches:
                patch.apply(target, strength)
            most_255 = findings_of(workspace).most_grain_255
            for patch in patches:  # after all of them: faces may overlap
                give_grain_back(target, workspace.before("refined"), patch.alignment, strength, most_255)
        workspace.envelope.current = "refined"
        workspace.ran(self.name, f"{len(patches)} of {_count(outcomes)} refined")

    def _look(self, workspace: Workspace) -> tuple[list[Outcome], list[Patch]]:
        """Return what becomes of each face, and what changes in those that are refined."""
        image = workspace.before("refined")
        is_due = workspace.options.wants("face") or _looks_old(workspace)
        limits = Limits() if is_due else CAREFUL
        detector = self.networks["face_detector"]
        if workspace.options.strength_of(self.name) == 0:
            faces = find_faces(image, detector)
            return [Outcome(face, refined=False, reason="not asked for") for face in faces], []
        faces = find_faces(image, detector, eye_distance_px=limits.eye_distance_px)
        refine = functools.partial(self._refine, is_grey=is_grey(workspace))
        return refine_faces(image, faces, detector, refine, limits)

    def _refine(self, crops: Tensor, *, is_grey: bool) -> Tensor:
        """(N, 3, 256, 256) to refined ones; what has no colour gets none."""
        change = self.networks["face"].each(crops, clamps=False) - crops
        refined = crops + change  # rounded like the change that `Patch` adds to the picture
        return without_new_colour(refined, crops) if is_grey else refined


def _engages(workspace: Workspace) -> bool:
    """Whether to look for faces; the reason not to goes into the trace."""
    if is_left_alone("face", workspace):
        return False
    wanted = workspace.options.wants("face")
    if wanted is None and workspace.is_marked:
        workspace.passed("face", "a mask was given: only what it marks is restored")
        return False
    if wanted is False:
        workspace.passed("face", "not asked for")
        return False
    return True


def _strength(workspace: Workspace) -> float:
    """How much of what the network changes in a face is done."""
    options = workspace.options
    is_told = options.wants("face") or options.mode != AUTO
    is_doubtful = not is_told and findings_of(workspace).is_print
    return options.strength_of("face") * (SHARE_IN_PRINTS if is_doubtful else 1)


def _looks_old(workspace: Workspace) -> bool:
    """Return whether anything besides its faces says that the picture needs restoring."""
    found, damage = findings_of(workspace), find(workspace.envelope.estimates, ScratchFindings)
    is_damaged = damage is not None and damage.coverage > 0
    return found.is_thorough or is_damaged or found.was_faded or found.noisy


def _describe(outcome: Outcome) -> FoundFace:
    left, top, right, bottom = map(round, outcome.face.box)
    return FoundFace(
        (left, top, right, bottom), round(outcome.face.score, 4), outcome.refined, outcome.reason
    )


def _why_not(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return "no faces found"
    reasons = Counter(outcome.reason.split(":")[0] for outcome in outcomes)
    return f"{_count(outcomes)} left as found: {', '.join(reasons)}"


def _count(outcomes: Sequence[Outcome]) -> str:
    return "1 face" if len(outcomes) == 1 else f"{len(outcomes)} faces"
