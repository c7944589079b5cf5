"""What a running service stands on: database, outbox, bus and the tasks beside the requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from cme_kit import dead_letters, http, inbox, outbox
from cme_kit.clock import Clock, SystemClock
from cme_kit.consumers import Consumers
from cme_kit.dead_letters import DeadLetters
from cme_kit.inbox import Inbox
from cme_kit.majority import stay_with_the_majority
from cme_kit.mongo import Database, Index, PyMongoError
from cme_kit.outbox import Outbox
from cme_kit.read_models import ReadModels
from cme_kit.rebuilding import Streams
from cme_kit.redrive import Redrive
from cme_kit.relay import Relay
from cme_kit.remaking import Ground
from cme_kit.settings import ServiceSettings
from cme_kit.streams import connect, stream_name
from cme_kit.subscriptions import Subscription, Subscriptions
from cme_kit.tasks import Tasks

#: For the handlers that run when the service is told to stop; whoever stops it has to wait longer.
DRAIN_SECONDS = 8.0
#: How soon another replica looks for a rebuild that a killed one left.
REBUILDS_SECONDS = 5.0
KIT_INDEXES = (*outbox.INDEXES, *inbox.INDEXES, *dead_letters.INDEXES, *http.INDEXES)
log = structlog.get_logger(__name__)


@dataclass
class Platform:
    """What a running service stands on."""

    service: str
    database: Database
    outbox: Outbox
    clock: Clock
    nats: Client
    jetstream: JetStreamContext
    streams: Streams
    dead_letters: DeadLetters
    relay: Relay | None = None
    consumers: Consumers | None = None
    redrive: Redrive | None = None
    read_models: ReadModels | None = None
    _tasks: Tasks = field(default_factory=Tasks)

    def run(self, name: str, work: Callable[[], Any]) -> None:
        """Run `work` beside the requests until the service stops; its failure stops the service loudly."""
        self._tasks.run(name, work)

    def every(
        self, seconds: float, name: str, work: Callable[[], Awaitable[object]], woken: asyncio.Event | None = None
    ) -> None:
        """Do `work` again and again beside the requests, at once when `woken` is set; an engine away only delays it."""
        self._tasks.every(seconds, name, work, woken)

    async def start(self, subscriptions: Sequence[Subscription]) -> None:
        """Start publishing, and consuming what the service subscribes to."""
        self.run("majority", partial(stay_with_the_majority, self.nats, self.jetstream, stream_name(self.service)))
        await self._provision()
        self.relay = Relay(self.database, self.outbox, self.nats, self.jetstream, self.clock, self.streams.provision)
        self.run("relay", self.relay.run)
        table = Subscriptions(subscriptions)
        applied = Inbox(self.database, self.outbox, self.clock, table)
        self.redrive = Redrive(self.dead_letters, applied, table)
        ground = Ground(self.service, self.database, self.outbox, self.jetstream, self.clock, table)
        self.read_models = ReadModels(ground)
        if table.models:
            self.every(REBUILDS_SECONDS, "read models", self.read_models.advance, self.read_models.woken)
        self.consumers = Consumers(
            self.service, self.database, self.nats, self.jetstream, table, applied, self.dead_letters
        )
        for name, work in self.consumers.tasks():
            self.run(name, work)

    async def _provision(self) -> None:
        """Make the streams, waiting as long as it takes for a broker that is electing or lacks servers."""
        while True:
            try:
                return await self.streams.provision()
            except (NatsError, OSError, TimeoutError) as error:
                log.warning("the broker takes no streams yet", error=type(error).__name__, detail=str(error)[:200])
                await asyncio.sleep(0.3)

    async def stop(self) -> None:
        """Let what is being applied end, publish what is left, stop the tasks, then close the connections."""
        if self.consumers is not None:
            await self.consumers.drain(DRAIN_SECONDS)
        if self.relay is not None:
            await self.relay.drain()
        await self._tasks.stop()
        await self.nats.close()
        await self.database.close()


@asynccontextmanager
async def open_platform(service: str, settings: ServiceSettings, indexes: Sequence[Index]) -> AsyncIterator[Platform]:
    """Connect to the engines, waiting for them as long as it takes, and make sure of the indexes."""
    clock = SystemClock()
    database = Database.connect(
        settings.mongo_url.get_secret_value(), service, settings.mongo_driver, settings.database_prefix
    )
    client = await connect(service, settings)
    jetstream = client.jetstream(timeout=5)
    outbox_ = Outbox(database, clock, settings.outbox_limit)
    streams = Streams(service, database, outbox_, jetstream, clock, settings.nats_replicas)
    letters = DeadLetters(service, database, jetstream, clock)
    platform = Platform(service, database, outbox_, clock, client, jetstream, streams, letters)
    try:
        await prepare_database(database, [*KIT_INDEXES, *indexes])
        yield platform
    finally:
        await platform.stop()


async def prepare_database(database: Database, indexes: Sequence[Index]) -> None:
    """Make sure of the indexes, waiting for the database as long as it takes."""
    while True:
        try:
            return await database.ensure_indexes(indexes)
        except PyMongoError as error:
            log.warning("database is not there yet", error=type(error).__name__)
            await asyncio.sleep(0.3)
