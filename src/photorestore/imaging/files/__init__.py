"""An upload before anybody decodes it: its format by its first bytes, and the pieces, boxes and frames in it."""
