"""Receivers of webhooks: real servers that answer as a test wants, and keep what they were sent."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import nats
import pytest
import uvicorn
from cme_contracts import Event
from cme_kit.testing import Bus, Engines, free_port
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook


@dataclass(frozen=True)
class Received:
    """One request to a receiver."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass(frozen=True)
class Reply:
    """How a receiver answers."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"thank you"
    #: Seconds before it answers.
    after: float = 0
    #: Seconds between the bytes of the body.
    trickle: float = 0


class Receiver:
    """A server of one test; it takes everything until told otherwise."""

    def __init__(self, port: int | None = None, **tls: Any) -> None:
        self.port = port or free_port()
        self.scheme = "https" if tls else "http"
        self.received: list[Received] = []
        self.reply: Callable[[Received], Reply] = lambda _: Reply()
        self._tls = tls
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hooks?key=k"

    def start(self) -> None:
        config = uvicorn.Config(self, port=self.port, log_level="critical", lifespan="off", **self._tls)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join(10)
        self._server = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        got = Received(target.decode(), headers, body, time.time())
        self.received.append(got)
        reply = self.reply(got)
        if reply.after:
            await asyncio.sleep(reply.after)
        fields = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": fields})
        if reply.trickle:
            for byte in reply.body:
                await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
                await asyncio.sleep(reply.trickle)
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "http.response.body", "body": reply.body})

    def of(self, message_id: str) -> list[Received]:
        """What came of one message."""
        return [got for got in self.received if got.message_id == message_id]

    def wait(self, count: int = 1, seconds: float = 20) -> list[Received]:
        """What came, once there is enough of it."""
        deadline = time.monotonic() + seconds
        while len(self.received) < count:
            if time.monotonic() > deadline:
                pytest.fail(f"{len(self.received)} of {count} deliveries came")
            time.sleep(0.02)
        return list(self.received)


def verify_v1(secret: str, got: Received) -> Any:
    """The payload, when `standardwebhooks` finds a signature of this secret; its errors otherwise."""
    return Webhook(secret).verify(got.body, got.headers)


def verify_v1a(public_key: str, got: Received) -> Any:
    """The payload, when one of the signatures is of this key (Standard Webhooks 1.0); ValueError otherwise.

    `standardwebhooks` knows v1 only, so this is done by hand, with the cryptography library as the judge.
    """
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    content = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    for signature in got.headers["webhook-signature"].split(" "):
        version, _, value = signature.partition(",")
        if version == "v1a" and _holds(key, base64.b64decode(value), content):
            return json.loads(got.body)
    raise ValueError("no signature of this key")


def _holds(key: Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver, running."""
    made = Receiver()
    made.start()
    yield made
    made.stop()


class Happenings:
    """The services, as far as their events go."""

    def __init__(self, nats_url: str) -> None:
        self._nats_url = nats_url
        self._sequences: dict[str, int] = {}

    def state(self, *events: tuple[str, Event]) -> list[str]:
        """Services state these events about these aggregates; the ids of the events."""
        return asyncio.run(self._state(events))

    async def _state(self, events: Sequence[tuple[str, Event]]) -> list[str]:
        connection = await nats.connect(self._nats_url, user="test", password="test")
        bus = Bus(connection.jetstream())
        bus._sequences = self._sequences
        published = [await bus.publish(aggregate_id, event) for aggregate_id, event in events]
        await connection.close()
        return [str(envelope.id) for envelope in published]


@pytest.fixture
def happenings(engines: Engines) -> Happenings:
    """What happens in the services."""
    return Happenings(engines.nats_url)


@pytest.fixture
def another_receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.start()
    yield made
    made.stop()
