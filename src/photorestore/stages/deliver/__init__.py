"""Deliver: encodes the result and writes the report."""
