"""The inbox: which events of others a service applied, each once and after those of its aggregate before it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from enum import Enum

from cme_contracts import CloudEvent

from cme_kit.clock import Clock
from cme_kit.mongo import Database, DuplicateKeyError, Index
from cme_kit.outbox import Outbox, Transaction
from cme_kit.subscriptions import Subscriptions, Unreadable

INBOX = "inbox"
#: Kept longer than any stream, so that a replay of a whole stream applies nothing twice.
INBOX_DAYS = 500
INDEXES = (
    Index(INBOX, ("applied_at",), expire_seconds=int(timedelta(days=INBOX_DAYS).total_seconds())),
    Index(INBOX, ("source", "aggregate", "sequence"), unique=True, partial={"sequence": {"$gt": 0}}),
)


class Applied(Enum):
    """What became of an event."""

    NOW = "now"
    BEFORE = "before"
    #: Applied now, although an earlier event of its aggregate never came.
    WITH_GAP = "with gap"


class Early(Exception):
    """An earlier event of the aggregate is not applied here yet."""

    def __init__(self, sequence: int) -> None:
        super().__init__(f"event {sequence} of the aggregate is not applied yet")
        self.sequence = sequence


class _Rehearsed(Exception):
    """Ends a transaction that was only to be tried."""


class Inbox:
    """Applies events: the effect and the inbox row are one transaction, so a repeated event finds its row."""

    def __init__(self, database: Database, outbox: Outbox, clock: Clock, subscriptions: Subscriptions) -> None:
        self._rows = database.collection(INBOX)
        self._outbox = outbox
        self._clock = clock
        self._subscriptions = subscriptions
        self._one_at_a_time = asyncio.Lock()

    async def apply(self, envelope: CloudEvent, *, over_gap: bool = False, commit: bool = True) -> Applied:
        """Apply an event unless it was applied before; without `commit` only find out what would become of it.

        Raises Early when the event before it is missing (unless `over_gap`), Unreadable when the body does not fit or
        another event holds its number, and whatever the handler raises.
        """
        event = self._subscriptions.event_in(envelope)
        subscription = self._subscriptions[envelope.type]
        event_id = str(envelope.id)
        outcome = Applied.NOW

        async def work(tx: Transaction) -> None:
            nonlocal outcome
            outcome = Applied.NOW
            row = {
                "_id": event_id,
                "source": envelope.source,
                "aggregate": envelope.subject,
                "sequence": envelope.sequence,
                "type": envelope.type,
                "applied_at": self._clock.now(),
            }
            await self._rows.insert(row, session=tx.session)
            missing = await self._missing_before(envelope, tx)
            if missing is not None:
                if not over_gap:
                    raise Early(missing)
                outcome = Applied.WITH_GAP
                await self._rows.update({"_id": event_id}, {"$set": {"gap": True}}, session=tx.session)
            await subscription.handler(tx, envelope if subscription.whole else event)
            if not commit:
                raise _Rehearsed

        try:
            if subscription.serial:
                async with self._one_at_a_time:
                    await self._outbox.transaction(work)
            else:
                await self._outbox.transaction(work)
        except _Rehearsed:
            pass
        except DuplicateKeyError:
            # Applied before, or its number is taken, or the handler broke a unique index of its own: a failure.
            if await self._rows.find_one({"_id": event_id}):
                return Applied.BEFORE
            if taken := await self._rows.find_one(_place(envelope, envelope.sequence)):
                raise Unreadable(f"event {taken['_id']} was applied with this sequence of its aggregate") from None
            raise
        return outcome

    async def _missing_before(self, envelope: CloudEvent, tx: Transaction) -> int | None:
        before = envelope.sequence_before(self._subscriptions)
        if before is None or await self._rows.find_one(_place(envelope, before), tx.session):
            return None
        return before


def _place(envelope: CloudEvent, sequence: int) -> dict[str, str | int]:
    return {"source": envelope.source, "aggregate": envelope.subject, "sequence": sequence}
