"""The outbox: a service's state and its events are written in one transaction, then a relay publishes them.

Nothing else publishes. Rows stay after publishing, so that a lost stream can be rebuilt from them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar
from uuid import uuid4

import structlog
from cme_contracts import CloudEvent, Event, event_type_of
from cme_contracts.envelope import CONTENT_TYPE, SCHEMA_BASE
from cme_contracts.registry import PERSONAL_SUBJECT_TOKEN
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from opentelemetry.trace import SpanKind

from cme_kit.clock import Clock
from cme_kit.ids import new_event_id
from cme_kit.mongo import BulkWriteError, Database, Document, DuplicateKeyError, Index, PyMongoError, Session
from cme_kit.telemetry import current_traceparent, span

OUTBOX = "outbox"
SEQUENCE_INDEX = "aggregate_1_sequence_1"
NUMBERING_ATTEMPTS = 50
LEASES = "leases"
INDEXES = (
    Index(OUTBOX, ("created",), partial={"published": False}),
    Index(OUTBOX, ("aggregate", "sequence"), unique=True),
)
BATCH = 200
POLL_SECONDS = 2.0
LEASE = timedelta(seconds=4)
Result = TypeVar("Result")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Transaction:
    """One unit of work: what is written with `session` and what is emitted become true together."""

    session: Session
    outbox: Outbox
    emitted: list[tuple[str, Event]] = field(default_factory=list)

    async def emit(self, aggregate_id: str, event: Event) -> None:
        """State a fact about an aggregate, to be published after the commit.

        Raises ValueError for an event that another service owns.
        """
        self.outbox.check_owner(event)
        self.emitted.append((aggregate_id, event))

    async def erase_personal(self, aggregate_id: str) -> None:
        """Empty the personal data that earlier events of an aggregate carry in the outbox."""
        await self.outbox.erase_personal(aggregate_id, self.session)


class Outbox:
    """Writes events of one service and runs its transactions."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._service = database.name
        self._clock = clock
        self._rows = database.collection(OUTBOX)
        self.woken = asyncio.Event()

    async def transaction(self, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """Run `work` in one transaction (again, when it lost against another writer), then wake the relay."""

        async def attempt(session: Session) -> Result:
            tx = Transaction(session, self)
            result = await work(tx)
            await self._write(tx)
            return result

        with span("transaction"):
            for last in [False] * (NUMBERING_ATTEMPTS - 1) + [True]:
                try:
                    result = await self._database.in_transaction(attempt)
                    break
                except (DuplicateKeyError, BulkWriteError) as error:
                    # Another transaction numbered the same aggregate at the same time: take the next number.
                    if last or SEQUENCE_INDEX not in str(error):
                        raise
        self.woken.set()
        return result

    def check_owner(self, event: Event) -> None:
        """Raises ValueError for an event that another service owns."""
        declared = event_type_of(type(event))
        if declared.service != self._service:
            raise ValueError(f"{declared.type} belongs to {declared.service}")

    async def _write(self, tx: Transaction) -> None:
        """Append what was emitted, numbering each aggregate's events without a gap (a unique index guards it)."""
        if not tx.emitted:
            return
        numbers = await self._last_numbers({aggregate_id for aggregate_id, _ in tx.emitted}, tx.session)
        rows = []
        for aggregate_id, event in tx.emitted:
            numbers[aggregate_id] = numbers.get(aggregate_id, 0) + 1
            rows.append(self._row(aggregate_id, numbers[aggregate_id], event))
        await self._rows.insert_many(rows, session=tx.session)

    async def _last_numbers(self, aggregate_ids: set[str], session: Session) -> dict[str, int]:
        if len(aggregate_ids) == 1:
            newest = await self._rows.find_one({"aggregate": next(iter(aggregate_ids))}, session, [("sequence", -1)])
            return {newest["aggregate"]: newest["sequence"]} if newest else {}
        grouped = await self._rows.aggregate(
            [
                {"$match": {"aggregate": {"$in": sorted(aggregate_ids)}}},
                {"$group": {"_id": "$aggregate", "n": {"$max": "$sequence"}}},
            ],
            session=session,
        )
        return {row["_id"]: row["n"] for row in grouped}

    def _row(self, aggregate_id: str, sequence: int, event: Event) -> Document:
        declared = event_type_of(type(event))
        now = self._clock.now()
        envelope = CloudEvent(
            id=new_event_id(),
            source=f"/{self._service}",
            type=declared.type,
            subject=aggregate_id,
            time=now,
            dataschema=SCHEMA_BASE + declared.schema_file,
            sequence=sequence,
            traceparent=current_traceparent(),
            data=event.model_dump(mode="json"),
        )
        return {
            "_id": str(envelope.id),
            "aggregate": aggregate_id,
            "sequence": sequence,
            "type": declared.type,
            "nats_subject": declared.subject,
            "body": envelope.model_dump_json(exclude_none=True),
            "traceparent": envelope.traceparent,
            "created": now,
            "published": False,
        }

    async def erase_personal(self, aggregate_id: str, session: Session) -> None:
        """Keep that personal events of an aggregate were published, and no longer what they said.

        What is still waiting is not published at all. A rebuilt stream leaves emptied rows out; the stream's own
        copies end with its maximum age.
        """
        personal = {"aggregate": aggregate_id, "nats_subject": {"$regex": f"^cme\\.{PERSONAL_SUBJECT_TOKEN}\\."}}
        await self._rows.update_many(personal, {"$set": {"body": "", "published": True}}, session=session)


class Relay:
    """Publishes the rows of one outbox in the order of each aggregate; one replica at a time holds the lease."""

    def __init__(self, database: Database, outbox: Outbox, jetstream: JetStreamContext, clock: Clock) -> None:
        self._outbox = outbox
        self._jetstream = jetstream
        self._clock = clock
        self._rows = database.collection(OUTBOX)
        self._leases = database.collection(LEASES)
        self._owner = uuid4().hex
        self._leading_until = clock.now()

    async def run(self) -> None:
        """Publish until cancelled: at once after a commit, every other second as the safety net."""
        while True:
            try:
                more = await self._leads() and await self.publish_batch() == BATCH
            except (PyMongoError, NatsError, OSError, TimeoutError) as error:
                log.warning("relay waits", error=type(error).__name__, detail=str(error)[:200])
                more = False
                await asyncio.sleep(0.5)
            if not more:
                with suppress(TimeoutError):  # the safety net: look again although nobody called
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._outbox.woken.wait()
                self._outbox.woken.clear()

    async def _leads(self) -> bool:
        now = self._clock.now()
        if self._leading_until - now > LEASE / 2:
            return True
        until = now + LEASE
        free = {"_id": "relay", "$or": [{"owner": self._owner}, {"until": {"$lt": now}}]}
        try:
            await self._leases.update(free, {"$set": {"owner": self._owner, "until": until}}, upsert=True)
        except DuplicateKeyError:  # somebody else holds it, so the upsert found no match and could not insert
            return False
        self._leading_until = until
        return True

    async def publish_batch(self) -> int:
        """Publish the oldest unpublished rows; how many got through.

        A row is marked after the server's acknowledgement; a crash in between publishes it again under the same
        id, which the stream's deduplication and every inbox absorb.
        """
        rows = await self._rows.find({"published": False}, sort=[("created", 1)], limit=BATCH)
        lanes: dict[str, list[Document]] = {}
        for row in rows:
            lanes.setdefault(row["aggregate"], []).append(row)
        outcomes = await asyncio.gather(*(self._publish_lane(lane) for lane in lanes.values()), return_exceptions=True)
        published = [row_id for outcome in outcomes if isinstance(outcome, list) for row_id in outcome]
        if published:
            mark = {"$set": {"published": True, "published_at": self._clock.now()}}
            await self._rows.update_many({"_id": {"$in": published}}, mark)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return len(published)

    async def _publish_lane(self, lane: list[Document]) -> list[str]:
        published = []
        for row in sorted(lane, key=lambda row: int(row["sequence"])):
            try:
                await self._publish(row)
            except (NatsError, OSError, TimeoutError) as error:
                log.warning("publish failed, will try again", event_id=row["_id"], error=type(error).__name__)
                break  # later rows of this aggregate wait for this one
            published.append(str(row["_id"]))
        return published

    async def _publish(self, row: Document) -> None:
        headers = {"Nats-Msg-Id": row["_id"], "content-type": CONTENT_TYPE}
        with span(
            f"publish {row['nats_subject']}",
            SpanKind.PRODUCER,
            traceparent=row["traceparent"],
            messaging__system="nats",
            messaging__destination__name=row["nats_subject"],
            messaging__message__id=row["_id"],
            cme__aggregate=row["aggregate"],
        ):
            if traceparent := current_traceparent():
                headers["traceparent"] = traceparent
            await self._jetstream.publish(row["nats_subject"], row["body"].encode(), timeout=5, headers=headers)
