"""What stands between TorchServe and the stages."""
