"""Erasing a person reaches the events that named them, and leaves the counts."""

from collections.abc import AsyncIterator

import pytest
from cme_contracts.enrolment import PersonErased, PersonRegistered
from cme_kit.clock import SystemClock
from cme_kit.mongo import Database, Document
from cme_kit.outbox import OUTBOX, Outbox, Transaction
from cme_kit.testing import Bus, Engines


@pytest.fixture
async def database(engines: Engines, bus: Bus) -> AsyncIterator[Database]:
    opened = Database.connect(engines.mongo_url, "enrolment")
    yield opened
    await opened.close()


async def test_personal_events_are_emptied_once_published_and_dropped_before(database: Database) -> None:
    outbox = Outbox(database, SystemClock())
    rows = database.collection(OUTBOX)

    async def register(tx: Transaction) -> None:
        for person in ("per_1", "per_2"):
            event = PersonRegistered(
                person_id=person, given_name="A", family_name="B", email="a@b.example", language="en"
            )
            await tx.emit(person, event)

    async def erase(tx: Transaction) -> None:
        await tx.erase_personal("per_1")
        await tx.emit("per_1", PersonErased(person_id="per_1"))

    await outbox.transaction(register)
    await rows.update_many({}, {"$set": {"published": True}})
    await outbox.transaction(register)
    await outbox.transaction(erase)

    def bodies(found: list[Document]) -> list[tuple[int, bool]]:
        return [(row["sequence"], bool(row["body"])) for row in found]

    assert bodies(await rows.find({"aggregate": "per_1"}, sort=[("sequence", 1)])) == [
        (1, False),
        (2, False),
        (3, True),
    ]
    assert bodies(await rows.find({"aggregate": "per_2"}, sort=[("sequence", 1)])) == [(1, True), (2, True)]
