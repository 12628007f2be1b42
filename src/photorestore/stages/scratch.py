"""Scratch: finds scratches, hairs, tears, dust and folds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from torch import Tensor

from photorestore import masks
from photorestore.networks.scratch import ScratchUNet
from photorestore.stages.base import SingleNetworkStage
from photorestore.tiling import TileJob
from photorestore.workspace import Workspace


class ScratchStage(SingleNetworkStage[ScratchUNet]):
    """Writes the planes `scratch_prob` and `scratch_mask`, unless the caller marked the damage or did not ask for it.

    It looks at the plane `image`, so that it can work beside the denoiser.
    """

    name: ClassVar[str] = "scratch"

    def run(self, batch: Sequence[Workspace]) -> None:
        working = [workspace for workspace in batch if _engages(workspace)]
        with contextlib.ExitStack() as planes:
            jobs = [planes.enter_context(_job(workspace)) for workspace in working]
            self.run_tiles(self._forward, jobs, self.spec)
        for workspace in working:
            self._report(workspace)

    def _forward(self, tiles: Tensor, _contexts: Sequence[Any]) -> Tensor:
        scratch_logits: Tensor = self.network(tiles)
        return scratch_logits.sigmoid()

    def _report(self, workspace: Workspace) -> None:
        # Who asks for this stage says that the picture is damaged; else the picture must say so itself.
        is_asked = bool(workspace.options.wants(self.name))
        mask = masks.find_damage(workspace.plane("scratch_prob"), is_damaged=is_asked or None)
        workspace.write_plane("scratch_mask", mask)
        coverage = masks.coverage(mask)
        workspace.envelope.estimates[self.name] = {"coverage": coverage}
        workspace.ran(self.name, f"{100 * coverage:.2f} % damaged" if coverage else "no damage found")


def _engages(workspace: Workspace) -> bool:
    """Whether to look; the reason not to goes into the trace."""
    if "hole_mask" in workspace.envelope.planes:
        workspace.passed("scratch", "a mask was given")
        return False
    if workspace.options.wants("scratch") is False:
        workspace.passed("scratch", "not asked for")
        return False
    return True


@contextlib.contextmanager
def _job(workspace: Workspace) -> Iterator[TileJob]:
    image = workspace.plane("image")
    with workspace.new_plane("scratch_prob", (1, *image.shape[1:]), "uint16") as target:
        yield TileJob((image,), target)
