"""The webhooks of a gateway on a database of their own, without HTTP in front, at a time that the test decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from cme_contracts import CloudEvent, Event, event_type_of
from cme_contracts.curriculum import OfferingCancelled
from cme_contracts.envelope import SCHEMA_BASE
from cme_kit.ids import new_event_id, new_id
from cme_kit.mongo import Database
from cme_kit.notices import Notices
from cme_kit.outbox import Outbox, Transaction
from cme_kit.platform import prepare_database
from cme_kit.testing import Engines
from gateway.audit.repository import AuditRepository
from gateway.audit.service import Audit
from gateway.clients import repository as client_rows
from gateway.clients.domain import Client
from gateway.clients.repository import ClientRepository
from gateway.clients.service import Clients
from gateway.peppered import Pepper
from gateway.settings import Settings
from gateway.webhooks import assembly
from gateway.webhooks.addresses import Lookup
from gateway.webhooks.assembly import WebhookParts
from gateway.webhooks.delivery_log import DeliveryLog
from gateway.webhooks.domain import State
from gateway.webhooks.samples import Samples
from gateway.webhooks.schemas import DeliveryWithAttempts, WebhookRequest, WebhookView
from gateway.webhooks.service import Webhooks

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def cancelled() -> OfferingCancelled:
    return OfferingCancelled(offering_id=new_id("off"), programme_id=new_id("prg"), reason="Too few")


class ManualClock:
    """Stands still until the test moves it."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC).replace(microsecond=0)

    def now(self) -> datetime:
        return self._now

    def today(self) -> date:
        return self._now.date()

    def move(self, step: timedelta) -> None:
        self._now += step


@dataclass
class Rig:
    """One replica's webhooks."""

    parts: WebhookParts
    clock: ManualClock
    database: Database
    outbox: Outbox
    clients: Clients
    client_rows: ClientRepository
    #: The clients whose owners were written to.
    written_to: list[Client]
    sequences: dict[str, int] = field(default_factory=dict)

    @property
    def webhooks(self) -> Webhooks:
        service: Webhooks = self.parts.provided[Webhooks]
        return service

    @property
    def log(self) -> DeliveryLog:
        service: DeliveryLog = self.parts.provided[DeliveryLog]
        return service

    @property
    def samples(self) -> Samples:
        service: Samples = self.parts.provided[Samples]
        return service

    async def client(self, *scopes: str, **fields: Any) -> Client:
        """A new client."""
        made = Client(
            client_id=f"client-{uuid4().hex[:8]}",
            name="A client",
            redirect_uris=(),
            grant_types=frozenset({"client_credentials"}),
            auth_method="client_secret_basic",
            scopes=frozenset(scopes),
            created=self.clock.now(),
            **fields,
        )
        await self.transaction(lambda tx: self.client_rows.add(made, self.clock.now(), tx.session))
        return made

    async def transaction(self, work: Callable[[Transaction], Awaitable[Any]]) -> Any:
        return await self.outbox.transaction(work)

    async def webhook(self, client: Client, url: str, *events: type[Event], **fields: Any) -> WebhookView:
        """A new webhook of a client."""
        types = [event_type_of(event).type for event in events]
        request = WebhookRequest(url=url, event_types=types, **fields)
        await self.webhooks.check(client, request.url, request.event_types)
        key = self.webhooks.new_key(client, "create", "k")
        made: WebhookView = await self.transaction(
            lambda tx: self.webhooks.create(tx, client, request, key, client.client_id)
        )
        return made

    async def happen(self, event: Event, traceparent: str | None = None) -> str:
        """A service states an event and the gateway applies it; the event's id."""
        declared = event_type_of(type(event))
        aggregate = str(next(iter(event.model_dump().values())))
        self.sequences[aggregate] = self.sequences.get(aggregate, 0) + 1
        envelope = CloudEvent(
            id=new_event_id(),
            source=f"/{declared.service}",
            type=declared.type,
            subject=aggregate,
            time=self.clock.now(),
            dataschema=SCHEMA_BASE + declared.schema_file,
            sequence=self.sequences[aggregate],
            traceparent=traceparent,
            data=event.model_dump(mode="json"),
        )
        await self.transaction(lambda tx: self.parts.fan_out.apply(tx, envelope))
        return str(envelope.id)

    async def begin(self) -> None:
        """Begin what is due."""
        await self.parts.worker.sweep()
        await self.parts.worker.look()

    async def turn(self, after: timedelta = timedelta(0)) -> None:
        """Let time pass, then make the attempts that are due."""
        self.clock.move(after)
        await self.begin()
        await self.idle()

    async def look(self) -> None:
        """Make the attempts that this replica knows to be due."""
        await self.parts.worker.look()
        await self.idle()

    async def idle(self) -> None:
        """Wait until no attempt is being made."""
        while tasks := self.parts.worker._tasks:
            await asyncio.wait(tasks)

    async def delivery(self, client: Client, webhook: WebhookView, message_id: str) -> DeliveryWithAttempts:
        return await self.log.delivery(client, webhook.webhook_id, message_id)

    async def states(self, client: Client, webhook: WebhookView) -> dict[str, State]:
        """How each delivery of a webhook stands."""
        found = await self.log.deliveries(client, webhook.webhook_id, None, None, 500)
        return {delivery.message_id: delivery.state for delivery in found}


@asynccontextmanager
async def rigged(
    engines: Engines,
    *,
    name: str | None = None,
    clock: ManualClock | None = None,
    lookup: Lookup | None = None,
    **settings: Any,
) -> AsyncIterator[Rig]:
    """A replica; several of one name are replicas of one gateway."""
    values = {
        "public_url": "http://cme.test",
        "mongo_url": engines.mongo_url,
        "nats_url": engines.nats_url,
        "nats_user": "test",
        "nats_password": "test",
        "upstreams": {},
        "signing_keys_dir": "/nowhere",
        "client_secret_pepper": "a pepper of the tests",
        "bootstrap_client_id": "bootstrap",
        "bootstrap_client_secret": "a secret of the tests",
        "webhook_private_addresses": True,
        **settings,
    }
    database = Database.connect(engines.mongo_url, "gateway", prefix=name or f"w{uuid4().hex[:8]}_")
    clock = clock or ManualClock()
    outbox, audit = Outbox(database, clock), Audit(AuditRepository(database), database, clock)
    pepper, rows = Pepper("a pepper of the tests"), ClientRepository(database)
    clients = Clients(rows, pepper, audit, clock)
    await prepare_database(database, [*assembly.INDEXES, *client_rows.INDEXES])
    written_to: list[Client] = []

    async def write(_tx: Transaction, client: Client) -> None:
        written_to.append(client)

    ground = assembly.Ground(
        *(Settings.model_validate(values), database, outbox, clock, Notices("cme.gateway.notices")),
        *(pepper, audit, clients),
        lookup=lookup,
        tell_owner=write,
    )
    parts = assembly.compose(ground)
    async with parts.sender:
        yield Rig(parts, clock, database, outbox, clients, rows, written_to)
        await parts.worker.stop(0)
    await asyncio.sleep(0)
    await database.close()


@pytest.fixture
async def rig(engines: Engines) -> AsyncIterator[Rig]:
    async with rigged(engines) as made:
        yield made


@pytest.fixture
async def client(rig: Rig) -> Client:
    return await rig.client()
