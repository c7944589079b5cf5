"""What a running service stands on: database, outbox, bus and the tasks beside the requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from cme_kit import consumers, http, outbox
from cme_kit.clock import Clock, SystemClock
from cme_kit.consumers import Consumers, Subscription
from cme_kit.mongo import Database, Index, PyMongoError
from cme_kit.outbox import Outbox
from cme_kit.rebuilding import Streams
from cme_kit.relay import Relay
from cme_kit.settings import ServiceSettings
from cme_kit.streams import connect

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
    relay: Relay | None = None
    consumers: Consumers | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def run(self, name: str, work: Callable[[], Any]) -> None:
        """Run `work` beside the requests until the service stops; its failure stops the service loudly."""
        task = asyncio.create_task(work(), name=name)
        task.add_done_callback(_stop_loudly)
        self._tasks.append(task)

    def every(
        self, seconds: float, name: str, work: Callable[[], Awaitable[object]], woken: asyncio.Event | None = None
    ) -> None:
        """Do `work` again and again beside the requests, at once when `woken` is set; an engine away only delays it."""
        wake = woken or asyncio.Event()

        async def repeat() -> None:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await wake.wait()
                wake.clear()
                try:
                    await work()
                except (PyMongoError, NatsError, OSError, TimeoutError) as error:
                    log.warning("will try again", task=name, error=type(error).__name__)

        self.run(name, repeat)

    async def start(self, subscriptions: Sequence[Subscription]) -> None:
        """Start publishing, and consuming what the service subscribes to."""
        await self.streams.provision()
        self.relay = Relay(self.database, self.outbox, self.nats, self.jetstream, self.clock, self.streams.provision)
        self.run("relay", self.relay.run)
        self.consumers = Consumers(self.service, self.database, self.outbox, self.jetstream, self.clock, subscriptions)
        for stream in self.consumers.streams:
            self.run(f"consume {stream}", partial(self.consumers.consume, stream))

    async def stop(self) -> None:
        """Publish what is left, stop the tasks, then close the connections."""
        if self.relay is not None:
            await self.relay.drain()
        running = set(self._tasks)
        while running:
            # Again and again: on Python 3.11 `wait_for`, which nats-py uses, can swallow a cancellation.
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=0.5)
        await self.nats.close()
        await self.database.close()


def _stop_loudly(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("a task of the service failed; stopping", task=task.get_name(), exc_info=error)
        raise SystemExit(1)


@asynccontextmanager
async def open_platform(service: str, settings: ServiceSettings, indexes: Sequence[Index]) -> AsyncIterator[Platform]:
    """Connect to the engines, waiting for them as long as it takes, and make sure of the indexes."""
    clock = SystemClock()
    database = Database.connect(settings.mongo_url.get_secret_value(), service, settings.mongo_driver)
    client = await connect(service, settings)
    jetstream = client.jetstream(timeout=5)
    outbox_ = Outbox(database, clock, settings.outbox_limit)
    streams = Streams(service, database, outbox_, jetstream, clock, settings.nats_replicas)
    platform = Platform(service, database, outbox_, clock, client, jetstream, streams)
    try:
        await prepare_database(database, [*outbox.INDEXES, *consumers.INDEXES, *http.INDEXES, *indexes])
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
