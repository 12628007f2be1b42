"""The server's end of the connection to sites: the part of Flower's SuperLink that sites speak with, and no other.

Flower's own commands hand a server's code (a FAB) to each site, which runs it. A partner would have to trust that code
with its pictures, so sites run what they have installed, and of SuperLink's doors only that for sites is open.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping

import uvicorn
from fastapi import FastAPI
from flwr.app import Error, Message
from flwr.server.superlink.linkstate import LinkStateFactory
from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME, NOOP_FEDERATION_ID, TaskType
from flwr.supercore.error import http_error_translator
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.supercore.object_store import ObjectStoreFactory
from flwr.supercore.protobuf.translation import ProtobufTranslationMiddleware
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.federation import NoOpFederationManager
from flwr.superlink.grid.inmemory_grid import InMemoryGrid
from flwr.superlink.routers.fleet.node_auth import NodeAuthMiddleware
from flwr.superlink.routers.fleet.router import router
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware

from training.federated.guard import Guard

BEAT_S = 10.0
"""The state forgets a run that gives no sign of life for a minute."""
OWNER = "server"
LOST = 3
"""Code of an answer that was announced and did not arrive whole."""


class Link(InMemoryGrid):  # type: ignore[misc]  # Flower is not in the environment that types are checked in
    """Reaches sites over HTTP: they come and fetch what they are asked, each known by its key.

    Args:
        keys: public keys of the sites by name, PEM; others are turned away.
        guard: of what they send.
    """

    def __init__(self, keys: Mapping[str, bytes], guard: Guard) -> None:
        self.guard = guard
        objects = ObjectStoreFactory(FLWR_IN_MEMORY_DB_NAME)
        self.factory = LinkStateFactory(FLWR_IN_MEMORY_DB_NAME, NoOpFederationManager(), objects)
        super().__init__(self.factory, pull_interval=0.5)
        self._asked: dict[str, int] = {}
        self.names = {self.state.create_node(OWNER, OWNER, key, 0): name for name, key in keys.items()}
        run = self.state.create_run(None, None, None, {}, NOOP_FEDERATION_ID, None, None, TaskType.SERVER_APP)
        self.set_run(self.state.get_run_info(run_ids=[run])[0])
        task = self.run.primary_task_id
        self.state.claim_task(task)
        self.state.activate_task(task)
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = run, self.node.node_id, task
        threading.Thread(target=self._live, args=(task,), daemon=True).start()

    def app(self) -> FastAPI:
        """Return what sites speak with."""
        app = FastAPI(
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            middleware=[
                Middleware(BaseHTTPMiddleware, dispatch=http_error_translator),
                Middleware(BaseHTTPMiddleware, dispatch=self.guard.before_reading),
                Middleware(ProtobufTranslationMiddleware),
                Middleware(NodeAuthMiddleware),
                Middleware(BaseHTTPMiddleware, dispatch=self.guard.of_a_site),
            ],
        )
        app.state.linkstate_factory = self.factory
        app.state.enable_supernode_auth = True  # nobody registers himself
        app.include_router(router)
        return app

    def serve(self, host: str, port: int, certificate: str | None, key: str | None) -> uvicorn.Server:
        """Listen in a thread; without certificate and key, without TLS.

        Raises:
            OSError: nothing can listen there.
        """
        config = uvicorn.Config(
            self.app(),
            host=host,
            port=port,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            log_level="warning",
            ws="none",
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while thread.is_alive() and not server.started:
            time.sleep(0.05)
        if not server.started:
            raise OSError(f"cannot listen on {host}:{port}")
        return server

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Lay messages ready for their sites; equal contents lie there once."""
        self.guard.begin_round()
        run = self.run.run_id
        numbers = []
        for message in messages:
            session = self.state.start_session(run)  # one ends with the last piece of its message
            message.metadata.__dict__["_message_id"] = message.object_id
            objects = get_all_nested_objects(message)
            stored, missing = self.state.store_message_and_object_tree(
                message, get_object_tree(message), session
            )
            if stored:
                numbers.append(message.object_id)
                self._asked[message.object_id] = message.metadata.dst_node_id
            for name in missing:
                self.state.store_object(run, session, name, objects[name].deflate())
        return numbers

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Return the answers that have come whole; one that did not is an error.

        Flower answers for a site that has died, in its server's name; here each answer is from who was asked.
        """
        found = []
        for head in super().pull_messages(message_ids):
            head.metadata.__dict__["_src_node_id"] = self._asked[head.metadata.reply_to_message_id]
            if head.has_error():
                found.append(head)
                continue
            try:
                found.append(self._whole(head))
            except Exception as error:  # noqa: BLE001 - bytes of others: whatever is wrong with them
                found.append(_with_error(head, f"its answer cannot be read: {error}"))
        return found

    def _whole(self, head: Message) -> Message:
        """Put an answer together from the pieces that came after it, and forget them."""
        store, number, end = self.state.object_store, head.metadata.message_id, time.monotonic() + 60
        names = [tree.object_id for tree in iterate_object_tree(store.get_object_tree(number))]
        pieces: dict[str, bytes] = {}
        for name in names:
            while not (piece := self.state.get_object(self.run.run_id, name)):
                if piece is None or time.monotonic() > end:
                    raise ValueError("pieces are missing")
                time.sleep(0.1)
            pieces[name] = piece
        message = inflate_object_from_contents(number, pieces)
        message.metadata.__dict__.update(head.metadata.__dict__)  # as the server knows it, not as it is told
        store.delete(number)
        return message

    def _live(self, task: int) -> None:
        while self.state.acknowledge_task_heartbeat(task):
            time.sleep(BEAT_S)


def _with_error(head: Message, reason: str) -> Message:
    """Return an answer that says what is wrong with the one that came."""
    head.__dict__["_content"], head.__dict__["_error"] = None, Error(LOST, reason[:500])
    return head
