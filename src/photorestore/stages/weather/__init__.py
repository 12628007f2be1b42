"""Weather: take haze, rain and snow out of a picture."""
