"""Look into an upload before it is decoded: its format by its first bytes, its pieces, boxes and frames."""
