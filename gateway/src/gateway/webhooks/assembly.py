"""The part of the composition root that is about webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from cme_contracts import CloudEvent, EventType, event_type_of
from cme_contracts.enrolment import PersonErased
from cme_kit import listening as bus
from cme_kit.clock import Clock
from cme_kit.dead_letters_api import dead_letters_router
from cme_kit.listening import Listener
from cme_kit.mongo import Database
from cme_kit.notices import Notices
from cme_kit.operations import figures_router
from cme_kit.outbox import Outbox, Transaction
from cme_kit.stopping import when_told_to_stop
from cme_kit.subscriptions import Subscription, on_whole
from cme_kit.tasks import Tasks
from fastapi import FastAPI

from gateway.audit.service import Audit
from gateway.clients.domain import Client
from gateway.clients.service import Clients
from gateway.peppered import Pepper
from gateway.settings import Settings
from gateway.webhooks import deliveries, listen_router, messages, replays, repository, router
from gateway.webhooks.addresses import Guard, Lookup
from gateway.webhooks.deliveries import DeliveryRepository
from gateway.webhooks.delivery_log import DeliveryLog
from gateway.webhooks.disabling import Disabling, TellOwner
from gateway.webhooks.domain import Message
from gateway.webhooks.fan_out import FanOut
from gateway.webhooks.listening import Listening
from gateway.webhooks.messages import MessageRepository
from gateway.webhooks.offering import OFFERED
from gateway.webhooks.replays import Replays
from gateway.webhooks.repository import ConcernedRepository, WebhookRepository
from gateway.webhooks.samples import Samples
from gateway.webhooks.sandbox import SandboxEvents
from gateway.webhooks.sending import Sender
from gateway.webhooks.service import Webhooks
from gateway.webhooks.signing import Keys
from gateway.webhooks.worker import Stores, Worker

INDEXES = (*bus.INDEXES, *repository.INDEXES, *messages.INDEXES, *deliveries.INDEXES, *replays.INDEXES)
#: For the attempts that are being made when the process is told to stop.
STOP_SECONDS = 2.0
#: Removes what else the gateway keeps of somebody who is erased.
Erase = Callable[[Transaction, PersonErased], Awaitable[None]]


async def keep_nothing_else(_tx: Transaction, _event: PersonErased) -> None:
    """Nobody is known beyond the events."""


async def tell_nobody(_tx: Transaction, _client: Client) -> None:
    """Nobody is known by address."""


@dataclass(frozen=True)
class Ground:
    """What webhooks stand on."""

    settings: Settings
    database: Database
    outbox: Outbox
    clock: Clock
    notices: Notices
    pepper: Pepper
    audit: Audit
    clients: Clients
    #: Instead of the system's resolver.
    lookup: Lookup | None = None
    erase: Erase = keep_nothing_else
    tell_owner: TellOwner = tell_nobody


@dataclass(frozen=True)
class WebhookParts:
    """What was built."""

    provided: dict[type, Any]
    listener: Listener
    fan_out: FanOut
    worker: Worker
    sender: Sender
    listening: Listening
    sandbox: SandboxEvents

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Consume events and deliver them while the block runs."""
        tasks = Tasks()
        async with self.sender, self.sandbox.running():
            self.listener.start()
            tasks.run("webhooks", self.worker.run)
            try:
                # Streams to listeners end before the server waits for all connections to.
                with when_told_to_stop(self.listening.end):
                    yield
            finally:
                self.listening.end()
                await self.listener.stop()
                await tasks.stop()
                await self.worker.stop(STOP_SECONDS)


def subscribed() -> list[EventType]:
    """The events that the gateway consumes: all that are offered and come over the bus."""
    return [offer.event_type for offer in OFFERED.values() if offer.event_type.on_bus]


def subscriptions(fan_out: FanOut, erase: Erase) -> Sequence[Subscription]:
    """The table of the gateway: whatever happens, whoever wants to know is told; who is erased has no account here."""
    erased = event_type_of(PersonErased)

    async def erase_and_tell(tx: Transaction, event: CloudEvent) -> None:
        await erase(tx, PersonErased.model_validate(event.data))
        await fan_out.apply(tx, event)

    others = [event_type for event_type in subscribed() if event_type != erased]
    return [on_whole(erased, erase_and_tell), *(on_whole(event_type, fan_out.apply) for event_type in others)]


def install(app: FastAPI) -> None:
    """Routes, and those by which operators see and repair what comes over the bus."""
    # `/listen` before `/{webhook_id}`.
    for added in (listen_router.router, router.router, figures_router("gateway"), dead_letters_router("gateway")):
        app.include_router(added)


def compose(ground: Ground) -> WebhookParts:
    """The webhooks."""
    settings, database, clock = ground.settings, ground.database, ground.clock
    stores = Stores(WebhookRepository(database), MessageRepository(database), DeliveryRepository(database))
    fan_out = FanOut(
        *(ground.clients, stores.webhooks, ConcernedRepository(database), stores.messages, stores.deliveries, clock)
    )
    keys = Keys(ground.pepper)
    guard = Guard(ground.lookup, loopback=settings.webhook_private_addresses)
    sender = Sender(guard, settings.webhook_timeout_seconds, clock)
    disabling = Disabling(
        *(ground.outbox, stores.webhooks, stores.deliveries, fan_out),
        *(ground.clients, ground.tell_owner, ground.audit, clock),
    )
    worker = Worker(stores, ground.clients, keys, sender, disabling, clock, settings.webhook_timeout_seconds)
    again = Replays(
        *(database, ground.outbox, ground.clients, stores.webhooks, stores.messages, stores.deliveries, clock)
    )
    service = Webhooks(stores.webhooks, stores.deliveries, keys, guard, ground.audit, clock)
    ground.clients.with_removal.append(service.remove_all)
    log = DeliveryLog(service, stores.messages, stores.deliveries, again, clock)
    samples = Samples(service, stores.messages, fan_out, clock)
    listening = Listening(ground.clients, stores.messages, keys, ground.notices, clock)
    announcing = Announcing(worker, listening)
    fan_out.on_commit = announcing.committed
    service.on_removal = log.on_due = worker.wake
    log.on_replay = worker.sweep_now

    async def replay() -> None:
        worker.wake(await again.advance())

    worker.besides = replay
    listener = Listener(
        "gateway", settings, database, ground.outbox, clock, subscriptions(fan_out, ground.erase), ground.notices
    )
    return WebhookParts(
        {Webhooks: service, DeliveryLog: log, Samples: samples, Listening: listening, Listener: listener},
        listener,
        fan_out,
        worker,
        sender,
        listening,
        SandboxEvents(settings, database, fan_out, subscribed(), clock),
    )


class Announcing:
    """What follows a commit: deliveries begin, listeners are told."""

    def __init__(self, worker: Worker, listening: Listening) -> None:
        self._worker = worker
        self._listening = listening
        self._telling: set[asyncio.Task[None]] = set()

    def committed(self, message: Message, webhook_ids: Sequence[str]) -> None:
        """A message is stored, with its deliveries to these webhooks."""
        if webhook_ids:
            self._worker.wake(webhook_ids)
        task = asyncio.create_task(self._listening.announce(message), name="announce")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
