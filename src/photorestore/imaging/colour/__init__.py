"""Colour spaces: those that uploads tell, ICC profiles made from numbers, and the ways to sRGB and back."""
