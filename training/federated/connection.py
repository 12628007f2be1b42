"""A site's end of the connection: it fetches what it is asked, and sends what it answers. It never fetches code."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flwr.app import Message
from flwr.app.message.message import remove_content_from_message
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.fleet_pb2 import ActivateNodeRequest, PullMessagesRequest, PushMessagesRequest
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, PullObjectRequest, PushObjectRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from training.federated.messages import Answer

ALIVE_S = 10
"""A site that gives no sign of life for twice as long is taken for dead."""
ASK_S = 1.0
AGAIN_S = 3.0
"""Until a site tries again where the server is not there."""


class Connection:
    """One site's connection to a server.

    Args:
        address: host:port.
        key: the site's private key, a PEM file.
        authority: certificate that the server's is signed by, a PEM file; None: no TLS.
    """

    def __init__(self, address: str, key: Path, authority: Path | None) -> None:
        private = load_pem_private_key(key.read_bytes(), None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{key} is no key of an elliptic curve")  # noqa: TRY004 - what a file holds is a value
        self._public = public_key_to_bytes(private.public_key())
        self.client = FleetHttpClient.from_server_address(
            address,
            authority is None,
            None if authority is None else authority.read_bytes(),
            interceptors=[NodeAuthHttpInterceptor(private, private.public_key())],
        )
        self.node = Node()

    def open(self) -> None:
        """Tell the server that the site is there."""
        request = ActivateNodeRequest(public_key=self._public, heartbeat_interval=ALIVE_S)
        self.node = Node(node_id=self.client.ActivateNode(request).node_id)

    def beat(self) -> None:
        """Give a sign of life."""
        self.client.SendNodeHeartbeat(SendNodeHeartbeatRequest(node=self.node, heartbeat_interval=ALIVE_S))

    def fetch(self) -> Message | None:
        """Return what the server asks, if it does."""
        found = self.client.PullMessages(PullMessagesRequest(node=self.node))
        if not found.messages_list:
            return None
        head = message_from_proto(found.messages_list[0])
        run, number = head.metadata.run_id, head.metadata.message_id
        names = [tree.object_id for tree in iterate_object_tree(found.message_object_trees[0])]
        pieces = {
            name: self.client.PullObject(
                PullObjectRequest(node=self.node, run_id=run, object_id=name)
            ).object_content
            for name in names
        }
        self.client.ConfirmMessageReceived(
            ConfirmMessageReceivedRequest(node=self.node, run_id=run, message_object_id=number)
        )
        message: Message = inflate_object_from_contents(number, pieces)
        message.metadata.__dict__.update(head.metadata.__dict__)
        return message

    def send(self, message: Message) -> None:
        """Send an answer."""
        message.metadata.__dict__["_message_id"] = message.object_id
        objects, run = get_all_nested_objects(message), message.metadata.run_id
        tree = get_object_tree(message)
        head = remove_content_from_message(message) if message.has_content() else message
        announced = self.client.PushMessages(
            PushMessagesRequest(
                node=self.node,
                messages_list=[message_to_proto(head)],
                message_object_trees=[tree],
                clientapp_runtime_list=[0.0],
            )
        )
        for name in announced.objects_to_push:
            self.client.PushObject(
                PushObjectRequest(
                    node=self.node, run_id=run, session_id=announced.session_id,
                    object_id=name, object_content=objects[name].deflate(),
                )
            )  # fmt: skip


def attend(connection: Connection, answer: Answer, going_on: Callable[[], bool] = lambda: True) -> None:
    """Answer a server for as long as it is wished; where it is gone, wait until it is back."""
    is_over = threading.Event()
    beats = threading.Thread(target=_beat, args=(connection, is_over), daemon=True)
    beats.start()
    try:
        while going_on():
            _answer_once(connection, answer)
    finally:
        is_over.set()
        beats.join()


def _answer_once(connection: Connection, answer: Answer) -> None:
    try:
        if not connection.node.node_id:
            connection.open()
            print("connected", flush=True)
        message = connection.fetch()
        if message is None:
            time.sleep(ASK_S)
        else:
            connection.send(answer(message))
    except httpx.HTTPError as error:
        connection.node = Node()
        print(f"no server, or not one that knows this site: {error}; trying again", flush=True)
        time.sleep(AGAIN_S)


def _beat(connection: Connection, is_over: threading.Event) -> None:
    while not is_over.wait(ALIVE_S / 2):
        if connection.node.node_id:
            try:
                connection.beat()
            except httpx.HTTPError:
                connection.node = Node()  # `attend` opens it anew
