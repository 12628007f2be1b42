"""The model-serving backend: TorchServe, who starts it and looks after it."""

from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
"""The folder that `gateway`, `model_store` and TorchServe's configuration lie in."""
