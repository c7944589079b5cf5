"""A deployable that listens: it starts without a broker, applies each event once, hears what its replicas tell."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import nats
import pytest
from cme_contracts import CloudEvent, event_type_of
from cme_contracts.enrolment import OrganisationRegistered
from cme_kit import listening
from cme_kit.clock import SystemClock
from cme_kit.listening import Listener
from cme_kit.mongo import Database
from cme_kit.notices import Notices
from cme_kit.outbox import Outbox, Transaction
from cme_kit.platform import prepare_database
from cme_kit.problems import Unavailable
from cme_kit.streams import owned_streams, provision_streams
from cme_kit.subscriptions import on_whole
from cme_kit.testing import Broker, Bus, Engines, eventually

from .conftest import envelope, organisation, subject_of

SUBJECT = "cme.gateway.notices"


@dataclass
class Replica:
    """One listening process, with what it applied and heard."""

    listener: Listener
    notices: Notices
    database: Database
    heard: list[dict[str, Any]] = field(default_factory=list)

    async def applied(self) -> list[str]:
        return [row["name"] for row in await self.database.collection("passed_on").find({}, sort=[("name", 1)])]


@asynccontextmanager
async def replica(engines: Engines, nats_url: str, name: str | None = None) -> AsyncIterator[Replica]:
    database = Database.connect(engines.mongo_url, name or f"listening_{uuid4().hex[:8]}")
    outbox, notices = Outbox(database, SystemClock()), Notices(SUBJECT)
    await prepare_database(database, listening.INDEXES)

    async def pass_on(tx: Transaction, event: CloudEvent) -> None:
        row = {"_id": uuid4().hex, "name": event.data["name"], "source": event.source}
        await database.collection("passed_on").insert(row, session=tx.session)

    settings = engines.settings(nats_url=nats_url)
    rows = [on_whole(event_type_of(OrganisationRegistered), pass_on)]
    listener = Listener("gateway", settings, database, outbox, SystemClock(), rows, notices)
    made = Replica(listener, notices, database)

    async def hear(notice: dict[str, Any]) -> None:
        made.heard.append(notice)

    notices.on("changed", hear)
    listener.start()
    try:
        yield made
    finally:
        await listener.stop()
        await database.close()


async def attached(made: Replica) -> None:
    async def check() -> bool:
        return made.listener.attached

    await eventually(check)


async def provide_streams(broker: Broker, *events: CloudEvent) -> None:
    connection = await nats.connect(broker.url, user="test", password="test")
    await provision_streams(connection.jetstream(), owned_streams("enrolment"))
    for event in events:
        await connection.jetstream().publish(subject_of(event), event.model_dump_json(exclude_none=True).encode())
    await connection.close()


async def test_it_starts_without_a_broker_and_applies_what_was_stated_meanwhile(
    engines: Engines, broker: Broker
) -> None:
    await provide_streams(broker, envelope("org_1", 1, organisation("first")))
    broker.kill()

    async with replica(engines, broker.url) as made:
        with pytest.raises(Unavailable):
            _ = made.listener.dead_letters
        await made.notices.tell("changed", {"lost": True})
        assert not made.listener.attached

        broker.start()
        await attached(made)

        async def all_applied() -> bool:
            return await made.applied() == ["first"]

        await eventually(all_applied)
        assert await made.listener.dead_letters.list_after(0, 10) == []


async def test_an_event_that_comes_twice_is_applied_once_in_its_envelope(engines: Engines, bus: Bus) -> None:
    async with replica(engines, engines.nats_url) as made:
        await bus.publish("org_1", organisation("first"), event_id="019a0000-0000-7000-8000-000000000001")
        await bus.publish("org_1", organisation("again"), event_id="019a0000-0000-7000-8000-000000000001")
        await bus.publish("org_1", organisation("last"))

        async def all_applied() -> bool:
            return await made.applied() == ["first", "last"]

        await eventually(all_applied)
        [row, _] = await made.database.collection("passed_on").find({})
        assert row["source"] == "/enrolment"


async def test_every_replica_hears_a_notice_and_a_broken_one_stops_none(engines: Engines, bus: Bus) -> None:
    await provision_streams(bus.jetstream, owned_streams("enrolment"))
    async with replica(engines, engines.nats_url, "shared") as one, replica(engines, engines.nats_url, "shared") as two:
        await attached(one)
        await attached(two)
        connection = await nats.connect(engines.nats_url, user="test", password="test")
        for broken in (b"\xff", b"[]", b"{}", b'{"kind": 1}', b'{"kind": []}'):
            await connection.publish(SUBJECT, broken)
        await connection.flush()
        await one.notices.tell("other", {})
        await one.notices.tell("changed", {"client": "c1"})

        async def both_heard() -> bool:
            return one.heard == two.heard == [{"kind": "changed", "client": "c1"}]

        await eventually(both_heard)
        await connection.close()


async def test_a_replica_that_lost_the_broker_hears_again_once_it_is_back(engines: Engines, broker: Broker) -> None:
    await provide_streams(broker)
    async with replica(engines, broker.url) as made:
        await attached(made)
        broker.kill()
        broker.start()

        async def heard_again() -> bool:
            await made.notices.tell("changed", {"client": "c1"})
            return bool(made.heard)

        await eventually(heard_again, 20)
