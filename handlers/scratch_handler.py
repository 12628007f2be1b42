"""TorchServe's way into the stage `scratch`."""

from photorestore.serving.handler import StageHandler


class ScratchHandler(StageHandler):
    """Runs `scratch`."""

    stage_name = "scratch"
