"""What networks share: their contract, weights, tiles, and the one place that calls them."""
