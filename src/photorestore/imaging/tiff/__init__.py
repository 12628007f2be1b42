"""TIFF: its directories and their bounds, what it is by its layout, and its stored samples as colours."""
