"""Requests that send a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from photorestore_client.messages import Answer, Request
from photorestore_client.options import query
from photorestore_client.steps import Steps
from photorestore_client.tries import Tries
from photorestore_client.upload import Picture, upload

GRACE_S = 15.0  # added to the option `timeout`: the answer may come a little later than it allows


class Sending:
    """What the calls of one client send by."""

    def __init__(self, tries: Tries) -> None:
        self._tries = tries

    def _send_picture(
        self,
        path: str,
        picture: Picture,
        mask: Picture | None,
        reference: Picture | None,
        request_id: str | None,
        headers: Mapping[str, str | None],
        options: Mapping[str, Any],
    ) -> Steps[Answer]:
        timeout_s, psf = options.get("timeout"), options.get("psf")
        has_picture = psf is not None and not isinstance(psf, str)  # of the blur; words go into the query
        return self._tries.send(
            Request(
                "POST",
                path,
                query=query({**options, "psf": None} if has_picture else options),
                headers={name: value for name, value in headers.items() if value is not None},
                body=upload(picture, mask=mask, psf=psf if has_picture else None, reference=reference),
                request_id=request_id,
                read_s=0.0 if timeout_s is None else float(timeout_s) + GRACE_S,
            )
        )
