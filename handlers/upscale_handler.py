"""TorchServe's way into the stage `upscale`."""

from photorestore.serving.handler import StageHandler


class UpscaleHandler(StageHandler):
    """Runs `upscale`."""

    stage_name = "upscale"
