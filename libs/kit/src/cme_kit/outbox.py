"""The outbox: a service's state and its events are written in one transaction, then the relay publishes them.

Nothing else publishes. Rows stay after publishing, so that a lost stream can be rebuilt from them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from cme_contracts import CloudEvent, Event, event_type_of
from cme_contracts.envelope import SCHEMA_BASE, predecessors_after
from cme_contracts.registry import PERSONAL_SUBJECT_TOKEN

from cme_kit.clock import Clock
from cme_kit.failpoints import failpoint
from cme_kit.ids import new_event_id
from cme_kit.mongo import BulkWriteError, Database, Document, DuplicateKeyError, Index, PyMongoError, Session
from cme_kit.problems import Unavailable
from cme_kit.telemetry import current_traceparent, mark_failed, span

OUTBOX = "outbox"
#: How the server names the broken rule; the inbox has an index whose name ends alike.
NUMBER_TAKEN = f".{OUTBOX} index: aggregate_1_sequence_1 "
NUMBERING_ATTEMPTS = 50
LIMIT = 100_000
#: A message's id is its event's id, with a suffix when it was published again into a stream that had lost it.
MESSAGE_ID_SEPARATOR = "."
#: Rows kept in memory for the relay; more of them are read from the database.
MOST_HANDED_OVER = 1_000
#: What of an aggregate's newest row numbers the next one.
NUMBERING = ("sequence", "type", "predecessors")
INDEXES = (
    Index(OUTBOX, ("created",), partial={"published": False}),
    Index(OUTBOX, ("aggregate", "sequence"), unique=True),
)
Result = TypeVar("Result")


class OutboxFull(Unavailable):
    """The broker has taken no events for so long that no more may wait."""

    code = "outbox_full"


@dataclass(frozen=True)
class Transaction:
    """One unit of work: what is written with `session` and what is emitted become true together."""

    session: Session
    outbox: Outbox
    emitted: list[tuple[str, Event]] = field(default_factory=list)
    afterwards: list[Callable[[], None]] = field(default_factory=list)
    rows: list[Document] = field(default_factory=list)

    async def emit(self, aggregate_id: str, event: Event) -> None:
        """State a fact about an aggregate, to be published after the commit.

        Raises ValueError for an event that another service owns, OutboxFull when too many wait to be published.
        """
        self.outbox.check_owner(event)
        self.outbox.check_room()
        self.emitted.append((aggregate_id, event))

    def after_commit(self, act: Callable[[], None]) -> None:
        """Call `act` in this process once everything is committed; a crash in between forgets it."""
        self.afterwards.append(act)

    async def erase_personal(self, aggregate_id: str) -> None:
        """Empty the personal data that earlier events of an aggregate carry in the outbox."""
        await self.outbox.erase_personal(aggregate_id, self.session)


class Outbox:
    """Writes events of one service and runs its transactions."""

    def __init__(self, database: Database, clock: Clock, limit: int = LIMIT) -> None:
        """`limit` bounds the rows that wait while the broker takes none."""
        self._database = database
        self._service = database.service
        self._clock = clock
        self._limit = limit
        self._rows = database.collection(OUTBOX)
        self._fresh: list[Document] | None = []
        #: Rows that wait to be published, as far as this process knows; the relay counts them.
        self.pending = 0
        self.woken = asyncio.Event()

    async def transaction(self, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """Run `work` in one transaction (again, when it lost against another writer), then wake the relay."""

        async def attempt(session: Session) -> tuple[Result, Transaction]:
            tx = Transaction(session, self)
            result = await work(tx)
            await self._write(tx)
            return result, tx

        # A refusal, or a repetition that meets what it did before, rolls back and is no failure of the database.
        with span("transaction", exceptions_fail=False) as current:
            for last in [False] * (NUMBERING_ATTEMPTS - 1) + [True]:
                try:
                    result, committed = await self._database.in_transaction(attempt)
                    break
                except (DuplicateKeyError, BulkWriteError) as error:
                    # Another transaction numbered the same aggregate at the same time: take the next number.
                    if last or NUMBER_TAKEN not in str(error):
                        raise
                except PyMongoError as error:
                    mark_failed(current, type(error).__name__)
                    raise
        if committed.rows:
            await failpoint("outbox.committed")
            self._hand_over(committed.rows)
        for act in committed.afterwards:
            act()
        return result

    def _hand_over(self, rows: list[Document]) -> None:
        self.pending += len(rows)
        if self._fresh is not None:
            self._fresh += rows
            if len(self._fresh) > MOST_HANDED_OVER:
                self._fresh = None
        self.woken.set()

    def take_fresh(self) -> list[Document] | None:
        """The rows committed in this process since the last call, or None when they were too many to keep."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def look(self) -> None:
        """Let the relay read the database: rows wait that were not handed over."""
        self._fresh = None
        self.woken.set()

    def check_room(self) -> None:
        """Raises OutboxFull when as many rows wait as may."""
        if self.pending >= self._limit:
            raise OutboxFull(
                "Too many changes wait to be passed on to the other services. Nothing was saved; try again in a moment.",
                retry_after=5,
            )

    def check_owner(self, event: Event) -> None:
        """Raises ValueError for an event that another service owns."""
        declared = event_type_of(type(event))
        if declared.service != self._service:
            raise ValueError(f"{declared.type} belongs to {declared.service}")

    async def _write(self, tx: Transaction) -> None:
        """Append what was emitted, numbering each aggregate's events without a gap (a unique index guards it)."""
        if not tx.emitted:
            return
        last = await self._last_of({aggregate_id for aggregate_id, _ in tx.emitted}, tx.session)
        for aggregate_id, event in tx.emitted:
            tx.rows.append(self._row(aggregate_id, event, last.get(aggregate_id)))
            last[aggregate_id] = tx.rows[-1]
        await self._rows.insert_many(tx.rows, session=tx.session)

    async def _last_of(self, aggregate_ids: set[str], session: Session) -> dict[str, Document]:
        """The newest row of each aggregate that has one: its sequence, type and predecessors."""
        if len(aggregate_ids) == 1:
            newest = await self._rows.find_one({"aggregate": next(iter(aggregate_ids))}, session, [("sequence", -1)])
            return {newest["aggregate"]: newest} if newest else {}
        newest_of_each = await self._rows.aggregate(
            [
                {"$match": {"aggregate": {"$in": sorted(aggregate_ids)}}},
                {"$project": {"aggregate": 1, "sequence": 1, "type": 1, "predecessors": 1}},
                {"$sort": {"sequence": 1}},
                {"$group": {"_id": "$aggregate"} | {field: {"$last": f"${field}"} for field in NUMBERING}},
            ],
            session=session,
        )
        return {row["_id"]: row for row in newest_of_each}

    def _row(self, aggregate_id: str, event: Event, last: Document | None) -> Document:
        declared = event_type_of(type(event))
        sequence = last["sequence"] + 1 if last else 1
        predecessors = predecessors_after(last.get("predecessors"), last["type"], last["sequence"]) if last else None
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
            predecessors=predecessors,
            data=event.model_dump(mode="json"),
        )
        return {
            "_id": str(envelope.id),
            "aggregate": aggregate_id,
            "sequence": sequence,
            "type": declared.type,
            "predecessors": predecessors,
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
