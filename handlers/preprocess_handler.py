"""TorchServe's way into the stage `preprocess`."""

from photorestore.serving.handler import StageHandler


class PreprocessHandler(StageHandler):
    """Runs `preprocess`."""

    stage_name = "preprocess"
