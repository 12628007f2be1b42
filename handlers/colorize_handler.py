"""TorchServe's way into the stage `colorize`."""

from photorestore.serving.handler import StageHandler


class ColorizeHandler(StageHandler):
    """Runs `colorize`."""

    stage_name = "colorize"
