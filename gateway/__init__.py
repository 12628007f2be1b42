"""The REST edge: HTTP towards callers, TorchServe behind it."""
