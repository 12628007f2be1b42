"""What fronts the service."""
