"""Scratch: finds damage."""
