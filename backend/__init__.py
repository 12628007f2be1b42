"""The model-serving backend: starts TorchServe and supervises it, and the REST edge if wanted."""
