"""TorchServe's way into the stage `deblur`."""

from photorestore.serving.handler import StageHandler


class DeblurHandler(StageHandler):
    """Runs `deblur`."""

    stage_name = "deblur"
