"""Deblur: undo a blur whose shape is known."""
