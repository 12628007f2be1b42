"""TorchServe's way into the stage `weather`."""

from photorestore.serving.handler import StageHandler


class WeatherHandler(StageHandler):
    """Runs `weather`."""

    stage_name = "weather"
