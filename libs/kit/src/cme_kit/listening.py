"""A deployable that listens to the bus and states no events: it applies those of others, once each, and hears notices.

Its requests do not need the broker, so it starts and answers without one and connects beside them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from cme_kit import dead_letters, inbox
from cme_kit.clock import Clock
from cme_kit.consumers import Consumers
from cme_kit.dead_letters import DeadLetters
from cme_kit.inbox import Inbox
from cme_kit.majority import stay_with_the_majority
from cme_kit.mongo import Database
from cme_kit.notices import Notices
from cme_kit.outbox import Outbox
from cme_kit.problems import Unavailable
from cme_kit.redrive import Redrive
from cme_kit.settings import BusSettings
from cme_kit.streams import connect, dead_letter_stream, dead_letters_of, provision_streams
from cme_kit.subscriptions import Subscription, Subscriptions
from cme_kit.tasks import Tasks

INDEXES = (*inbox.INDEXES, *dead_letters.INDEXES)
#: For the handlers that run when the process is told to stop; whoever stops it has to wait longer.
DRAIN_SECONDS = 3.0
#: Between two looks for the stream of those who may never begin.
LOOK_SECONDS = 5.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Connected:
    nats: Client
    jetstream: JetStreamContext
    dead_letters: DeadLetters
    redrive: Redrive
    consumers: Consumers


class NotConnected(NatsError):
    """There is no connection to the broker yet."""


class Listener:
    """The bus as such a deployable sees it."""

    def __init__(
        self,
        service: str,
        settings: BusSettings,
        database: Database,
        outbox: Outbox,
        clock: Clock,
        subscriptions: Sequence[Subscription],
        notices: Notices | None = None,
        only_with: str | None = None,
    ) -> None:
        """`only_with` is a stream without which nobody states anything: until it is there, it is looked for now and then."""
        self._only_with = only_with
        self._service = service
        self._settings = settings
        self._database = database
        self._clock = clock
        self._table = Subscriptions(subscriptions)
        self._inbox = Inbox(database, outbox, clock, self._table)
        self._notices = notices
        self._tasks = Tasks()
        self._connected: _Connected | None = None

    def start(self) -> None:
        """Begin to connect, beside the requests, for as long as it takes."""
        self._tasks.run("bus", self._connect)

    @property
    def attached(self) -> bool:
        """Whether every consumer exists and is being read."""
        return self._connected is not None and self._connected.consumers.attached

    @property
    def consumers(self) -> Consumers | None:
        """What applies events; None before there is a connection."""
        return self._connected.consumers if self._connected is not None else None

    @property
    def jetstream(self) -> JetStreamContext:
        """The bus. Raises NotConnected before there is a connection."""
        if self._connected is None:
            raise NotConnected
        return self._connected.jetstream

    @property
    def dead_letters(self) -> DeadLetters:
        """What could not be applied. Raises Unavailable before there is a connection."""
        return self._now().dead_letters

    @property
    def redrive(self) -> Redrive:
        """Applies dead letters. Raises Unavailable before there is a connection."""
        return self._now().redrive

    async def stop(self) -> None:
        """Let what is being applied end, stop the tasks, then close the connection."""
        if self._connected is not None:
            await self._connected.consumers.drain(DRAIN_SECONDS)
        await self._tasks.stop()
        if self._connected is not None:
            await self._connected.nats.close()

    def _now(self) -> _Connected:
        if self._connected is None:
            raise Unavailable("The broker does not answer; try again in a moment.")
        return self._connected

    async def _connect(self) -> None:
        client = await connect(self._service, self._settings)
        jetstream = client.jetstream(timeout=5)
        try:
            await self._wait_for_stream(jetstream)
        except asyncio.CancelledError:
            await client.close()
            raise
        letters = DeadLetters(self._service, self._database, jetstream, self._clock)
        consumers = Consumers(self._service, self._database, client, jetstream, self._table, self._inbox, letters)
        self._connected = _Connected(client, jetstream, letters, Redrive(letters, self._inbox, self._table), consumers)
        if self._notices is not None:
            await self._notices.attach(client)
        letters_stream = dead_letters_of(self._service)
        self._tasks.run("majority", lambda: stay_with_the_majority(client, jetstream, letters_stream))
        await self._provision(jetstream)
        for name, work in consumers.tasks():
            self._tasks.run(name, work)

    async def _wait_for_stream(self, jetstream: JetStreamContext) -> None:
        while self._only_with is not None:
            try:
                await jetstream.stream_info(self._only_with)
            except (NatsError, OSError, TimeoutError):
                await asyncio.sleep(LOOK_SECONDS)
            else:
                return

    async def _provision(self, jetstream: JetStreamContext) -> None:
        letters = dead_letter_stream(self._service, self._settings.nats_replicas)
        while True:
            try:
                await provision_streams(jetstream, [letters])
            except (NatsError, OSError, TimeoutError) as error:
                log.warning("the broker takes no streams yet", error=type(error).__name__, detail=str(error)[:200])
                await asyncio.sleep(0.3)
            else:
                return


@dataclass(frozen=True)
class ListeningPlatform:
    """What the handlers of a listening deployable stand on, as those of a service do on its `Platform`."""

    service: str
    database: Database
    outbox: Outbox
    clock: Clock
    listener: Listener

    @property
    def jetstream(self) -> JetStreamContext:
        """The bus. Raises NotConnected before there is a connection."""
        return self.listener.jetstream

    @property
    def consumers(self) -> Consumers | None:
        """What applies events; None before there is a connection."""
        return self.listener.consumers

    @property
    def dead_letters(self) -> DeadLetters:
        """Events that could not be applied. Raises Unavailable before there is a connection."""
        return self.listener.dead_letters

    @property
    def redrive(self) -> Redrive:
        """Applies dead letters. Raises Unavailable before there is a connection."""
        return self.listener.redrive
