"""What several stages do with pixels: luma, bands, regions, grain, greyness, what surrounds a place."""
