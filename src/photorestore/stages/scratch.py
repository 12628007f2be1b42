"""Scratch: finds scratches, hairs, tears, dust and folds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from photorestore import masks
from photorestore.networks.scratch import ScratchUNet
from photorestore.stages.base import StageConfig, autocast
from photorestore.tiling import TileJob, run_tiles, tile_spec
from photorestore.weights import load_network, read_metadata, weights_file
from photorestore.workspace import Workspace


class ScratchStage:
    """Writes the plane `scratch_prob`, unless the caller marked the damage or did not ask for it.

    It looks at the plane `image`, so that it can work beside the denoiser.
    """

    name: ClassVar[str] = "scratch"

    def __init__(
        self, network: ScratchUNet, threshold: float, config: StageConfig, device: torch.device
    ) -> None:
        self.network = network
        self.threshold = threshold
        self.precision = config.precision
        self.device = device
        self.spec = tile_spec(network, config.tile_px, config.tile_batch)

    @classmethod
    def load(cls, config: StageConfig, weights: Path | None, device: torch.device) -> Self:
        network = load_network("scratch", config.tier, device, root=weights)
        assert isinstance(network, ScratchUNet)
        metadata = read_metadata(weights_file("scratch", config.tier, weights))
        return cls(network, float(metadata["metrics"]["threshold"]), config, device)

    def run(self, batch: Sequence[Workspace]) -> None:
        working = [workspace for workspace in batch if _engages(workspace)]
        with contextlib.ExitStack() as planes:
            jobs = [planes.enter_context(_job(workspace)) for workspace in working]
            with autocast(self.precision, self.device):
                run_tiles(self._forward, jobs, self.spec, self.device)
        for workspace in working:
            self._report(workspace)

    def _forward(self, tiles: Tensor, _contexts: Sequence[Any]) -> Tensor:
        scratch_logits: Tensor = self.network(tiles)
        return scratch_logits.sigmoid()

    def _report(self, workspace: Workspace) -> None:
        prob = workspace.plane("scratch_prob")
        # Who asks for this stage says that the picture is damaged; else the picture must say so itself.
        is_asked = workspace.options.wants(self.name)
        certain = masks.CERTAIN_IN_DAMAGED if is_asked else masks.certain_from(prob)
        found = masks.coverage(masks.clean_mask(prob, self.threshold, certain))
        if certain == masks.CERTAIN_IN_OTHERS and found > masks.MOST_IN_OTHERS:
            found = 0.0
        workspace.envelope.estimates[self.name] = {
            "coverage": found,
            "threshold": self.threshold,
            "certain": certain,
        }
        workspace.ran(self.name, f"{100 * found:.2f} % damaged" if found else "no damage found")


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
