"""Clients that listen: each is streamed what a webhook of its would be sent, signed, as it happens.

For a developer's machine that no webhook reaches. Nothing is kept for a listener but the messages themselves: one that
comes back says which it had last and is told what came since.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

from cme_kit.clock import Clock
from cme_kit.notices import Notices
from cme_kit.problems import ServiceError

from gateway.clients.domain import Client
from gateway.clients.service import Clients
from gateway.webhooks import figures
from gateway.webhooks.domain import Message, Signing
from gateway.webhooks.messages import MessageRepository
from gateway.webhooks.offering import OFFERED, may_know, may_see
from gateway.webhooks.signing import Keys, headers_of, public_key_of, shown_secret, signature

NOTICE = "webhook.message"
#: Messages that wait for one slow listener; more of them are dropped, and it is told so.
MOST_WAITING = 200
MOST_PER_CLIENT, MOST_PER_OWNER, MOST = 5, 20, 200
#: Messages of one look at what somebody who comes back has missed, and looks; what is more is reported as dropped.
MISSED_AT_ONCE, LOOKS = 500, 20
#: A sign of life, so that nobody between closes the connection, and so that we notice who is gone.
PING_SECONDS = 15.0


class TooManyListeners(ServiceError):
    """As many listen as may."""

    code, status = "too_many_requests", 429


@dataclass(eq=False)
class _Listener:
    client_id: str
    owner: str
    types: frozenset[str]
    signing: Signing
    waiting: asyncio.Queue[Message] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    dropped: int = 0


class Listening:
    """Who listens to this replica."""

    def __init__(
        self,
        clients: Clients,
        messages: MessageRepository,
        keys: Keys,
        notices: Notices,
        clock: Clock,
    ) -> None:
        self._clients = clients
        self._messages = messages
        self._keys = keys
        self._notices = notices
        self._clock = clock
        self._listeners: set[_Listener] = set()
        self._ended = asyncio.Event()
        notices.on(NOTICE, self._hear)

    async def announce(self, message: Message) -> None:
        """Tell the listeners of every replica of a message that is stored."""
        if message.webhook_id is None:
            await self._notices.tell(NOTICE, {"id": message.message_id})

    def end(self) -> None:
        """Let every stream end: this process stops."""
        self._ended.set()

    async def begin(
        self,
        client: Client,
        types: frozenset[str],
        signing: Signing,
        last: str | None,
        holds: Callable[[], bool],
    ) -> AsyncIterator[bytes]:
        """Server-sent events until the caller's right `holds` no longer, or until it goes. Raises TooManyListeners.

        `types` that are wanted, all when empty; `last` is the message that the caller had last.
        """
        stream = self._stream(client, types, signing, last, holds)
        return _after(await anext(stream), stream)

    async def _stream(
        self, client: Client, types: frozenset[str], signing: Signing, last: str | None, holds: Callable[[], bool]
    ) -> AsyncGenerator[bytes, None]:
        self._admit(client)
        listener = _Listener(client.client_id, _owner(client), types, signing)
        self._listeners.add(listener)
        figures.LISTENERS.set(len(self._listeners))
        try:
            yield self._ready(client, types, signing)
            if last is not None:
                async for chunk in self._missed(listener, client, last, holds):
                    yield chunk
            while holds() and not self._ended.is_set():
                yield await self._next(listener)
        finally:
            self._listeners.discard(listener)
            figures.LISTENERS.set(len(self._listeners))

    def _admit(self, client: Client) -> None:
        of_client = Counter(listener.client_id for listener in self._listeners)[client.client_id]
        of_owner = Counter(listener.owner for listener in self._listeners)[_owner(client)]
        if of_client >= MOST_PER_CLIENT:
            detail = f"This client listens {MOST_PER_CLIENT} times already. End one of these streams first."
        elif of_owner >= MOST_PER_OWNER:
            detail = f"Your clients listen {MOST_PER_OWNER} times already. End one of these streams first."
        elif len(self._listeners) >= MOST:
            detail = "As many clients listen as can be served. Try again in a moment, or use a webhook."
        else:
            return
        raise TooManyListeners(detail, headers={"Retry-After": "10"})

    async def _next(self, listener: _Listener) -> bytes:
        if listener.dropped:
            dropped, listener.dropped = listener.dropped, 0
            return _event("dropped", {"messages": dropped})
        with suppress(TimeoutError):
            async with asyncio.timeout(PING_SECONDS):
                message = await self._message_or_end(listener)
                if message is not None:
                    return self._delivery(listener, message)
        return b": listening\n\n"

    async def _message_or_end(self, listener: _Listener) -> Message | None:
        taking = asyncio.ensure_future(listener.waiting.get())
        ending = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({taking, ending}, return_when=asyncio.FIRST_COMPLETED)
            return taking.result() if taking.done() else None
        finally:
            taking.cancel()
            ending.cancel()

    async def _missed(
        self, listener: _Listener, client: Client, last: str, holds: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        types = listener.types or {type_ for type_ in OFFERED if may_know(client, type_)}
        for _ in range(LOOKS):
            found = await self._messages.missed(client, types, last, MISSED_AT_ONCE)
            for message in found:
                if self._ended.is_set() or not holds():
                    return
                if await self._wants(listener, message):
                    yield self._delivery(listener, message)
            if len(found) < MISSED_AT_ONCE:
                return
            last = found[-1].message_id
        listener.dropped += await self._messages.count_missed(client, types, last)

    async def _hear(self, notice: dict[str, Any]) -> None:
        if not self._listeners:
            return
        message = await self._messages.find(str(notice["id"]))
        if message is None:
            return
        for listener in list(self._listeners):
            if await self._wants(listener, message):
                try:
                    listener.waiting.put_nowait(message)
                except asyncio.QueueFull:
                    listener.dropped += 1

    async def _wants(self, listener: _Listener, message: Message) -> bool:
        if message.webhook_id is not None or (listener.types and message.type not in listener.types):
            return False
        client = await self._clients.active(listener.client_id)
        return client is not None and may_see(client, message)

    def _ready(self, client: Client, types: frozenset[str], signing: Signing) -> bytes:
        key = self._keys.listening(client.client_id)
        symmetric = signing is Signing.SYMMETRIC
        return _event(
            "ready",
            {
                "client_id": client.client_id,
                "event_types": sorted(types),
                "signing": signing.value,
                "signing_secret": shown_secret(key) if symmetric else None,
                "public_key": None if symmetric else public_key_of(key),
            },
        )

    def _delivery(self, listener: _Listener, message: Message) -> bytes:
        timestamp = int(self._clock.now().timestamp())
        key = self._keys.listening(listener.client_id)
        signed = signature(listener.signing, key, message.message_id, timestamp, message.body)
        headers = headers_of([signed], message.message_id, timestamp)
        return _event("delivery", {"type": message.type, "headers": headers, "body": message.body}, message.message_id)


def _owner(client: Client) -> str:
    """Whose streams are counted together."""
    return client.owner or client.organisation_id or client.client_id


async def _after(first: bytes, stream: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(stream):
        yield first
        async for chunk in stream:
            yield chunk


def _event(name: str, document: dict[str, Any], id_: str | None = None) -> bytes:
    """One server-sent event (HTML Living Standard, section 9.2.6)."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    identified = f"id: {id_}\n" if id_ else ""
    return f"event: {name}\n{identified}data: {text}\n\n".encode()
