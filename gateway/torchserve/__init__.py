"""TorchServe as the edge sees it: how it is asked, and whether it would restore a picture now."""
