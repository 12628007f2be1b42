"""One restoration, from the upload to its result."""
