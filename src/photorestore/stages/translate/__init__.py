"""Translate: fills damage, and lifts faded tone."""
