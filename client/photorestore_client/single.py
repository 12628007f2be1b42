"""One picture of the command line, restored by one call, with what was asked for beside it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import BinaryIO

from photorestore_client.client import Client
from photorestore_client.errors import Unreachable
from photorestore_client.options import Options
from photorestore_client.results import Restored


def restore(
    client: Client, picture: Path | BinaryIO, given: argparse.Namespace, options: Options
) -> tuple[Restored, Restored | None]:
    """Return the restored picture, and the confidence of its colours if a file for that was named.

    Raises:
        Unreachable: the service sent no confidence: an earlier version answers.
        Problem, OSError: as `Client.restore`.
    """
    if given.confidence is None:
        return client.restore(picture, mask=given.mask, reference=given.reference, **options), None
    bundle = client.bundle(picture, mask=given.mask, reference=given.reference, **options)
    if bundle.confidence is None:
        raise Unreachable("the service tells no confidence of colours", request_id=bundle.restored.request_id)
    return bundle.restored, Restored(bundle.confidence, "image/png")


def check_beside(given: argparse.Namespace) -> None:
    """Check that the file for the confidence may be written.

    Raises:
        ValueError: it is there already, or is another file of this call.
    """
    if given.confidence is None:
        return
    if given.confidence.exists() and not given.overwrite:
        raise ValueError(f"{given.confidence} is there already")
    taken = [given.inputs[0], Path(given.output), given.mask, given.reference]
    if given.confidence.resolve() in [path.resolve() for path in taken if path is not None]:
        raise ValueError(f"{given.confidence} is another file of this call")
