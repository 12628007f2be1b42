"""Restore pictures with a photorestore service."""

from photorestore_client.client import Client, Restored
from photorestore_client.errors import Problem, RestoreError, Unreachable

__all__ = ["Client", "Problem", "RestoreError", "Restored", "Unreachable"]
