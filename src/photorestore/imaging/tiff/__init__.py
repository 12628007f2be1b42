"""Read TIFFs: check their directories, find their layout, and turn stored samples into colours."""
