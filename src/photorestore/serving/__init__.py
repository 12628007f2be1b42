"""Connect TorchServe with the stages."""
