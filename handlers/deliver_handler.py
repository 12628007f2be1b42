"""TorchServe's way into the stage `deliver`."""

from photorestore.serving.handler import StageHandler


class DeliverHandler(StageHandler):
    """Runs `deliver`."""

    stage_name = "deliver"
