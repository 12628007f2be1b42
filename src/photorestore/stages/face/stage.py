"""Face: finds faces and gives those their detail back that have lost it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from photorestore.options import AUTO, THOROUGH
from photorestore.pixels.copied import copied
from photorestore.pixels.grain import most_of
from photorestore.pixels.grey import is_grey, without_new_colour
from photorestore.stages.base import is_left_alone
from photorestore.stages.face.judgement import CAREFUL, Limits
from photorestore.stages.face.refine import Outcome, Patch, find_faces, refine_faces
from photorestore.stages.face.surface import give_grain_back
from photorestore.stages.networked import NetworkStage
from photorestore.workspace import Workspace

SHARE_IN_PRINTS = 0.5
"""How far a face of a print is refined where the picture decides: as a whole, what grain and weave suggest to the
network would become wrinkles and blotches."""


class FaceStage(NetworkStage):
    """Writes the plane `refined` where a face gained by being refined.

    Who asks for this stage, and a picture that is treated thoroughly, or is noisy, faded or damaged, has every face
    refined that is fit for it; in other pictures only faces that are surely blurred. A refined face keeps the grain it
    had. Pixels outside the faces leave with the value they came with.
    """

    name: ClassVar[str] = "face"

    def run(self, batch: Sequence[Workspace]) -> None:
        for workspace in batch:
            if _engages(workspace):
                self._run(workspace)

    def _run(self, workspace: Workspace) -> None:
        outcomes, patches = self._look(workspace)
        workspace.envelope.estimates[self.name] = {"faces": [_describe(outcome) for outcome in outcomes]}
        if not patches:
            workspace.passed(self.name, _why_not(outcomes))
            return
        strength = _strength(workspace)
        with copied(workspace, "refined", workspace.before("refined")) as target:
            for patch in patches:
                patch.apply(target, strength)
            most_255 = most_of(workspace.envelope.estimates.get("preprocess", {}))
            for patch in patches:  # after all of them: faces may overlap
                give_grain_back(target, workspace.before("refined"), patch.alignment, strength, most_255)
        workspace.envelope.current = "refined"
        workspace.ran(self.name, f"{len(patches)} of {_count(outcomes)} refined")

    def _look(self, workspace: Workspace) -> tuple[list[Outcome], list[Patch]]:
        """What becomes of each face."""
        image, limits = workspace.before("refined"), _limits(workspace)
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
        refined = crops + change  # rounded as the change is that is put into the picture
        return without_new_colour(refined, crops) if is_grey else refined


def _engages(workspace: Workspace) -> bool:
    """Whether to look for faces; the reason not to goes into the trace."""
    if is_left_alone("face", workspace):
        return False
    wanted = workspace.options.wants("face")
    if wanted is None and "hole_mask" in workspace.envelope.planes:
        workspace.passed("face", "a mask was given: only what it marks is restored")
        return False
    if wanted is False:
        workspace.passed("face", "not asked for")
        return False
    return True


def _limits(workspace: Workspace) -> Limits:
    """Which faces to refine."""
    return Limits() if workspace.options.wants("face") or _looks_old(workspace) else CAREFUL


def _strength(workspace: Workspace) -> float:
    """How much of what the network changes in a face is done."""
    options, found = workspace.options, workspace.envelope.estimates.get("preprocess", {})
    is_told = options.wants("face") or options.mode != AUTO
    is_doubtful = not is_told and found.get("kind") == "print"
    return options.strength_of("face") * (SHARE_IN_PRINTS if is_doubtful else 1)


def _looks_old(workspace: Workspace) -> bool:
    """Whether something else than its faces says that the picture needs restoring."""
    estimates = workspace.envelope.estimates
    found = estimates.get("preprocess", {})
    is_thorough = found.get("mode") == THOROUGH
    is_damaged = estimates.get("scratch", {}).get("coverage", 0) > 0
    was_faded = found.get("before_normalise", found).get("faded", False)
    return bool(is_thorough or is_damaged or was_faded or found.get("noisy", False))


def _describe(outcome: Outcome) -> dict[str, Any]:
    """A face for the report; its box is left, top, right, bottom in px of the upload after its turn."""
    return {
        "box": [round(side) for side in outcome.face.box],
        "score": round(outcome.face.score, 4),
        "refined": outcome.refined,
        "reason": outcome.reason,
    }


def _why_not(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return "no faces found"
    reasons = Counter(outcome.reason.split(":")[0] for outcome in outcomes)
    return f"{_count(outcomes)} left as found: {', '.join(reasons)}"


def _count(outcomes: Sequence[Outcome]) -> str:
    return "1 face" if len(outcomes) == 1 else f"{len(outcomes)} faces"
