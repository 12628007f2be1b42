"""TorchServe's way into the stage `translate`."""

from photorestore.serving.handler import StageHandler


class TranslateHandler(StageHandler):
    """Runs `translate`."""

    stage_name = "translate"
