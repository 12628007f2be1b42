"""What several stages need to know of pixels: regions, grain, greyness, what surrounds a place."""
