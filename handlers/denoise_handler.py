"""TorchServe's way into the stage `denoise`."""

from photorestore.serving.handler import StageHandler


class DenoiseHandler(StageHandler):
    """Runs `denoise`."""

    stage_name = "denoise"
