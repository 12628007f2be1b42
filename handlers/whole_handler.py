"""TorchServe's way into all stages at once."""

from photorestore.serving.handler import StageHandler


class WholeHandler(StageHandler):
    """Runs all stages, one after the other."""

    stage_name = "whole"
