"""What a site may send to a server: so many bytes in a round, each message in its own name."""

from __future__ import annotations

from collections import Counter

from flwr.proto.fleet_pb2 import PushMessagesRequest
from flwr.proto.message_pb2 import PushObjectRequest
from starlette.middleware.base import RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

FRAME_BYTES = 2**20
"""Names, sizes and signatures around tensors; and what every request may have."""


class Guard:
    """Turns requests away: too long ones before they are read, and what a site, known by then, may not send.

    Args:
        answer_bytes: length of what a site answers in a round. It may send twice as much, since connections break.
    """

    def __init__(self, answer_bytes: int) -> None:
        self.most_bytes = 2 * answer_bytes + FRAME_BYTES
        self._sent: Counter[int] = Counter()

    def begin_round(self) -> None:
        """Count anew."""
        self._sent.clear()

    async def before_reading(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Turn away what does not say how long it is, or is too long for any answer."""
        length = request.headers.get("content-length", "")
        if not length.isdecimal():
            return JSONResponse({"detail": "how long is it?"}, 411)
        if int(length) > self.most_bytes:
            return JSONResponse({"detail": f"at most {self.most_bytes} bytes"}, 413)
        return await call_next(request)

    async def of_a_site(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Turn away messages in another site's name, and what is too much for a round. Flower has checked the key."""
        sent = getattr(request.state, "protobuf_request", None)
        if isinstance(sent, PushMessagesRequest | PushObjectRequest):
            site = sent.node.node_id
            if isinstance(sent, PushMessagesRequest) and not _is_own(sent):
                return JSONResponse({"detail": "one message at a time, in your own name"}, 403)
            self._sent[site] += sent.ByteSize()
            if self._sent[site] > self.most_bytes:
                return JSONResponse({"detail": f"at most {self.most_bytes} bytes in a round"}, 413)
        return await call_next(request)


def _is_own(sent: PushMessagesRequest) -> bool:
    """Say whether there is one message, with one tree of pieces, from who sends it."""
    messages = sent.messages_list
    return (
        len(messages) == len(sent.message_object_trees) == 1
        and messages[0].metadata.src_node_id == sent.node.node_id
    )
