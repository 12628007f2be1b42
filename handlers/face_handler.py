"""TorchServe's way into the stage `face`."""

from photorestore.serving.handler import StageHandler


class FaceHandler(StageHandler):
    """Runs `face`."""

    stage_name = "face"
