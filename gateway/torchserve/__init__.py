"""TorchServe as the edge sees it: requests to it, and whether it would restore a picture now."""
