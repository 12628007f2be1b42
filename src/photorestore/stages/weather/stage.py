"""Weather: take rain and snow, or haze, out of a photograph; one in which the network finds none stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch

from photorestore.methods import DARK_CHANNEL, NETWORK
from photorestore.networks.tiling import TileJob, to_float, to_integers
from photorestore.pixels.bands import strips
from photorestore.stages.base import is_left_alone
from photorestore.stages.blend import Blend, blend
from photorestore.stages.networked import NetworkStage
from photorestore.stages.preprocess.findings import decided_of, is_grey
from photorestore.stages.preprocess.scene import plane_view
from photorestore.stages.weather import haze_network
from photorestore.stages.weather.dark_channel import haze_of
from photorestore.stages.weather.falling import darkened_share
from photorestore.stages.weather.findings import WeatherFindings
from photorestore.stages.weather.veil import Veil
from photorestore.workspace import Workspace

PLANE = "cleared"
VIEW_PX = 512
"""Longest side of the view of the whole picture that the dark channel prior looks at."""
LEAST_PRESENCE = 1.0
"""Logit from which the network is taken to see haze; see docs/models/weather_haze.md."""
LEAST_DARKENED = 0.03
"""Share of a window's pixels, at least, that something falls in front of; see docs/models/weather.md."""
STRIP_SHARE = 4
"""Strips are smaller than elsewhere by this factor, since each takes many floats for a pixel."""


class WeatherStage(NetworkStage):
    """Writes the plane `cleared` where the caller asks for it and there is weather to be taken out."""

    name: ClassVar[str] = "weather"

    def run(self, batch: Sequence[Workspace]) -> None:
        for workspace in batch:
            if not _engages(workspace):
                continue
            if workspace.options.weather_method == NETWORK:
                self._dry(workspace)
                continue
            with torch.inference_mode():
                veil = self._veil(workspace)
                if veil is None:
                    workspace.passed(
                        self.name,
                        "no haze was found; weather_method dark-channel does not ask whether there is any",
                    )
                else:
                    _lift(workspace, veil)

    def _dry(self, workspace: Workspace) -> None:
        """Take out rain and snow, if there are any."""
        image, network = workspace.before(PLANE), self.networks[self.name]
        if darkened_share(image, network) < LEAST_DARKENED:
            workspace.passed(self.name, "no rain or snow was found; weather_method haze-network lifts haze")
            return
        with workspace.new_plane(PLANE, image.shape, "uint16") as target:
            network.fill([TileJob({"image": image}, target, _how(workspace))], blend)
        _note(workspace, WeatherFindings(workspace.options.weather_method), "rain or snow taken out")

    def _veil(self, workspace: Workspace) -> Veil | None:
        """Return the haze of a picture; None where the network sees none."""
        image = workspace.before(PLANE)
        if workspace.options.weather_method == DARK_CHANNEL:
            view = plane_view(image, VIEW_PX)
            return Veil.of(view, *haze_of(view))
        view = plane_view(image, haze_network.VIEW_PX)
        seen = self.networks["weather_haze"](view)
        if float(seen.presence) < LEAST_PRESENCE:
            return None
        return Veil.of(view, seen.share.cpu(), seen.air.cpu(), haze_network.RADIUS_PX)


def _lift(workspace: Workspace, veil: Veil) -> None:
    """Lift the haze."""
    image, how = workspace.before(PLANE), _how(workspace)
    _, height, width = image.shape
    with workspace.new_plane(PLANE, image.shape, "uint16") as target:
        for strip in strips(height, STRIP_SHARE * width):
            workspace.require_wanted()
            rows = veil.lifted(to_float(image[:, strip])[None], strip.start, height, how)
            target[:, strip] = to_integers(rows[0], np.dtype(np.uint16))
    found = WeatherFindings(workspace.options.weather_method, veil.taken)
    _note(workspace, found, f"haze that had taken {100 * veil.taken:.0f} % of the light lifted")


def _how(workspace: Workspace) -> Blend:
    return Blend(workspace.options.strength_of("weather"), is_grey(workspace))


def _note(workspace: Workspace, found: WeatherFindings, words: str) -> None:
    workspace.envelope.current = PLANE
    workspace.envelope.estimates["weather"] = found
    workspace.ran("weather", words)


def _engages(workspace: Workspace) -> bool:
    """Return whether to look for weather; the reason not to goes into the trace."""
    if not workspace.options.may_work("weather"):
        workspace.passed("weather", "not asked for")
        return False
    # Whoever asks for it overrides the judgement of what the picture is.
    return not (decided_of(workspace).one_colour and is_left_alone("weather", workspace))
