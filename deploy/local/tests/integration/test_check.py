"""The auditor on real engines: sound records pass, and each kind of damage is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cme_contracts.enrolment import OrganisationRegistered
from cme_kit.clock import SystemClock
from cme_kit.dead_letters import DeadLetters
from cme_kit.mongo import Database
from cme_kit.outbox import Outbox, Transaction
from cme_kit.streams import owned_streams, provision_streams
from cme_kit.testing import Bus, Engines
from cme_local.check import Report, run_check
from cme_local.ops.audit import Audit, routes
from cme_local.ops.audit import Engines as AuditEngines
from starlette.applications import Starlette

STREAM = "CME_ENROLMENT"
SUBJECT = "cme.enrolment.organisation.registered.v1"


@dataclass(frozen=True)
class Pair:
    """Two services: enrolment has stated three facts, outreach has applied them."""

    engines: Engines
    bus: Bus
    enrolment: Database
    outreach: Database
    event_ids: list[str]

    async def audited(self) -> Report:
        return await run_check(self.engines.mongo_url, self.engines.nats_url, "test", "test", wait=0.1)


@pytest.fixture
async def pair(engines: Engines, bus: Bus) -> AsyncIterator[Pair]:
    enrolment, outreach = (Database.connect(engines.mongo_url, name) for name in ("enrolment", "outreach"))
    outbox = Outbox(enrolment, SystemClock())

    async def register(tx: Transaction) -> None:
        for number in range(3):
            event = OrganisationRegistered(
                organisation_id=f"org_{number}", name="Cluster", country="SE", kind="cluster"
            )
            await tx.emit(event.organisation_id, event)

    await outbox.transaction(register)
    await provision_streams(bus.jetstream, [*owned_streams("enrolment"), *owned_streams("outreach")])
    rows = await enrolment.collection("outbox").find({}, sort=[("_id", 1)])
    for row in rows:
        await bus.jetstream.publish(SUBJECT, row["body"].encode(), headers={"Nats-Msg-Id": row["_id"]})
    await enrolment.collection("outbox").update_many({}, {"$set": {"published": True}})
    consumer = await bus.jetstream.pull_subscribe(SUBJECT, durable="outreach", stream=STREAM)
    for message in await consumer.fetch(3, timeout=5):
        await outreach.collection("inbox").insert(
            {"_id": message.headers["Nats-Msg-Id"], "applied_at": datetime.now(UTC)}
        )
        await message.ack_sync()
    yield Pair(engines, bus, enrolment, outreach, [row["_id"] for row in rows])
    await enrolment.close()
    await outreach.close()


def broken(report: Report) -> dict[str, list[str]]:
    return {
        one.name: [text.partition(": ")[0] for text in one.violations] for one in report.invariants if one.violations
    }


async def test_every_record_is_looked_at_and_nothing_is_broken(pair: Pair) -> None:
    report = await pair.audited()

    assert broken(report) == {}
    checked = {one.name: one.checked for one in report.invariants}
    assert checked["outbox_published"] == checked["stream_owned"] == checked["inbox_complete"] == 3


async def test_a_lost_message_a_lost_effect_and_a_stranger_are_told_by_their_ids(pair: Pair) -> None:
    first, second, _ = pair.event_ids
    await pair.bus.jetstream.delete_msg(STREAM, 1)
    await pair.outreach.collection("inbox").delete({"_id": second})
    stranger = await pair.bus.jetstream.publish(SUBJECT, b'{"id": "stranger"}')

    found = broken(await pair.audited())

    assert found["outbox_published"] == [first]
    assert found["inbox_complete"] == [second]
    assert found["stream_owned"] == [f"{STREAM}#{stranger.seq}"]


async def test_a_dead_letter_answers_for_what_was_not_applied(pair: Pair) -> None:
    lost = pair.event_ids[1]
    original = await pair.bus.jetstream.get_msg(STREAM, 2)
    await pair.outreach.collection("inbox").delete({"_id": lost})
    assert "inbox_complete" in broken(await pair.audited())

    await pair.bus.jetstream.publish(f"cme.dlq.outreach.{SUBJECT}", original.data or b"")

    assert broken(await pair.audited()) == {}


async def test_a_discarded_dead_letter_still_answers_for_its_event(pair: Pair) -> None:
    letters = DeadLetters("outreach", pair.outreach, pair.bus.jetstream, SystemClock())
    original = await pair.bus.jetstream.get_msg(STREAM, 2)
    await pair.outreach.collection("inbox").delete({"_id": pair.event_ids[1]})
    buried = await pair.bus.jetstream.publish(f"cme.dlq.outreach.{SUBJECT}", original.data or b"")

    await letters.discard(await letters.find(buried.seq), "test data")

    assert broken(await pair.audited()) == {}


async def test_a_discarded_message_that_is_no_event_is_known_by_its_place(pair: Pair) -> None:
    letters = DeadLetters("outreach", pair.outreach, pair.bus.jetstream, SystemClock())
    stranger = await pair.bus.jetstream.publish(SUBJECT, b"no event")
    consumer = await pair.bus.jetstream.pull_subscribe(SUBJECT, durable="outreach", stream=STREAM)
    [message] = await consumer.fetch(1, timeout=5)
    await letters.bury(message, None, "not a CloudEvent", 1)

    await letters.discard(await letters.find(1), "test data")

    assert broken(await pair.audited()) == {"stream_owned": [f"{STREAM}#{stranger.seq}"]}


async def test_a_row_that_waits_too_long_and_a_missing_number_are_told(pair: Pair) -> None:
    rows = pair.enrolment.collection("outbox")
    long_ago: dict[str, Any] = {"published": False, "created": datetime.now(UTC) - timedelta(minutes=5)}
    await rows.update({"_id": pair.event_ids[0]}, {"$set": long_ago})
    await rows.update({"_id": pair.event_ids[1]}, {"$set": {"sequence": 2}})

    found = broken(await pair.audited())

    assert found["outbox_drained"] == [pair.event_ids[0]]
    assert found["sequences"] == ["org_1"]


async def test_the_job_keeps_its_last_report_and_tells_its_figures(pair: Pair) -> None:
    audit = Audit(AuditEngines(pair.engines.mongo_url, pair.engines.nats_url, "test", "test"))
    app = Starlette(routes=routes(audit))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        assert (await http.get("/api/audit")).json() is None
        report = (await http.post("/api/audit")).json()
        figures = (await http.get("/metrics")).text

        assert report["ok"]
        assert (await http.get("/api/audit")).json() == report
    assert 'cme_invariant_violations{invariant="inbox_complete"} 0.0' in figures
    assert "cme_invariant_checked_timestamp_seconds 1." in figures


async def test_the_job_says_so_when_an_engine_is_away(engines: Engines) -> None:
    audit = Audit(AuditEngines(engines.mongo_url, "nats://127.0.0.1:1", "test", "test"))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(Starlette(routes=routes(audit))), base_url="http://localhost"
    ) as http:
        answer = await http.post("/api/audit")

    assert answer.status_code == 503
