"""The model-serving backend: TorchServe, who starts it and looks after it."""
