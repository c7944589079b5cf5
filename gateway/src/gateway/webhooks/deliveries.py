"""The deliveries: what is due, what was tried, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cme_kit.mongo import Database, Document, Index, Session

from gateway.webhooks.domain import KEPT, Attempt, Cause, Delivery, State, Verdict
from gateway.webhooks.repository import IDS_AT_ONCE

DELIVERIES = "webhook_deliveries"
INDEXES = (
    # What is due of one webhook; rows that are not have no `due`.
    Index(DELIVERIES, ("webhook_id", "due")),
    Index(DELIVERIES, ("due",)),
    # Ascending: the embedded server finds nothing between two bounds of a descending part.
    Index(DELIVERIES, ("webhook_id", "state", "_id")),
    Index(DELIVERIES, ("created",), expire_seconds=int(KEPT.total_seconds())),
)
#: Attempts that a delivery remembers; who sends again and again loses the oldest.
MOST_ATTEMPTS = 40
#: The character after the `/` of an id.
_AFTER_SLASH = "0"
#: Before anything is due; rows without `due` are not after it.
_EVER = datetime.fromtimestamp(0, UTC)
_CANCELLED: Document = {"$set": {"state": State.CANCELLED.value}, "$unset": {"due": "", "claim": ""}}


@dataclass(frozen=True)
class Backlog:
    """What is due of one webhook."""

    webhook_id: str
    count: int
    oldest: datetime


class DeliveryRepository:
    """Deliveries; an id is the webhook's and the message's, so that there is one for each pair."""

    def __init__(self, database: Database) -> None:
        self._deliveries = database.collection(DELIVERIES)

    async def add(self, deliveries: Sequence[Delivery], session: Session) -> None:
        """Store new ones."""
        await self._deliveries.insert_many([_row(delivery) for delivery in deliveries], session=session)

    async def find(self, webhook_id: str, message_id: str) -> Delivery | None:
        """The delivery of a message to a webhook."""
        row = await self._deliveries.find_one({"_id": _id(webhook_id, message_id)})
        return _delivery(row) if row else None

    async def known(self, webhook_id: str, message_ids: Sequence[str], session: Session) -> dict[str, State]:
        """Which of these messages a webhook has a delivery of, and how it stands."""
        found: dict[str, State] = {}
        for start in range(0, len(message_ids), IDS_AT_ONCE):
            ids = [_id(webhook_id, message_id) for message_id in message_ids[start : start + IDS_AT_ONCE]]
            rows = await self._deliveries.find({"_id": {"$in": ids}}, fields=["message_id", "state"], session=session)
            found |= {row["message_id"]: State(row["state"]) for row in rows}
        return found

    async def page(self, webhook_id: str, state: State | None, before: str | None, limit: int) -> list[Delivery]:
        """A webhook's deliveries before a message, the newest message first, one more than `limit`."""
        upper = _id(webhook_id, before) if before else f"{webhook_id}{_AFTER_SLASH}"
        filter_: Document = {"_id": {"$gt": _id(webhook_id, ""), "$lt": upper}}
        if state is not None:
            filter_ |= {"webhook_id": webhook_id, "state": state.value}
        rows = await self._deliveries.find(filter_, sort=[("_id", -1)], limit=limit + 1)
        return [_delivery(row) for row in rows]

    async def upcoming(self, webhook_id: str, limit: int) -> list[Delivery]:
        """What of a webhook is due first, now or later."""
        filter_ = {"webhook_id": webhook_id, "due": {"$gt": _EVER}}
        return [_delivery(row) for row in await self._deliveries.find(filter_, sort=[("due", 1)], limit=limit)]

    async def backlogs(self, now: datetime) -> list[Backlog]:
        """What is due, by webhook."""
        group = {"_id": "$webhook_id", "count": {"$sum": 1}, "oldest": {"$min": "$due"}}
        rows = await self._deliveries.aggregate([{"$match": {"due": {"$lte": now}}}, {"$group": group}])
        return [Backlog(row["_id"], row["count"], row["oldest"]) for row in rows]

    async def claim(self, delivery: Delivery, token: str, until: datetime) -> bool:
        """Take an attempt that is due, unless somebody else did; without an outcome by `until` it is due again."""
        seen = {"_id": _id(delivery.webhook_id, delivery.message_id), "due": delivery.due}
        return bool(await self._deliveries.update(seen, {"$set": {"due": until, "claim": token}}))

    async def release(self, delivery: Delivery, token: str, now: datetime) -> None:
        """Give back an attempt that was broken off: it is due at once."""
        mine = {"_id": _id(delivery.webhook_id, delivery.message_id), "claim": token}
        await self._deliveries.update(mine, {"$set": {"due": now}, "$unset": {"claim": ""}})

    async def settle(
        self, delivery: Delivery, token: str, attempt: Attempt, verdict: Verdict, session: Session | None = None
    ) -> bool:
        """Keep what came of a claimed attempt; False when the claim was lost meanwhile."""
        mine = {"_id": _id(delivery.webhook_id, delivery.message_id), "claim": token}
        change: Document = {
            "$set": {"state": verdict.state.value, "step": delivery.step + 1},
            "$unset": {"claim": ""},
            "$push": {"attempts": {"$each": [_attempt_row(attempt)], "$slice": -MOST_ATTEMPTS}},
        }
        if verdict.due is not None:
            change["$set"]["due"] = verdict.due
        else:
            change["$unset"]["due"] = ""
        return bool(await self._deliveries.update(mine, change, session=session))

    async def begin_again(
        self, webhook_id: str, message_ids: Sequence[str], cause: Cause, now: datetime, session: Session
    ) -> int:
        """Start the schedule of deliveries from the beginning, but of those that are being attempted; how many."""
        count = 0
        for start in range(0, len(message_ids), IDS_AT_ONCE):
            ids = [_id(webhook_id, message_id) for message_id in message_ids[start : start + IDS_AT_ONCE]]
            idle = {"_id": {"$in": ids}, "claim": None}
            again = {"state": State.PENDING.value, "cause": cause.value, "step": 0, "due": now}
            count += await self._deliveries.update_many(idle, {"$set": again}, session)
        return count

    async def cancel(self, webhook_id: str, session: Session | None = None) -> int:
        """Give up what is pending of a webhook; how many."""
        pending = {"webhook_id": webhook_id, "state": State.PENDING.value}
        return await self._deliveries.update_many(pending, _CANCELLED, session)

    async def give_up(self, delivery: Delivery, token: str) -> None:
        """Cancel a claimed delivery."""
        mine = {"_id": _id(delivery.webhook_id, delivery.message_id), "claim": token}
        await self._deliveries.update(mine, _CANCELLED)

    async def remove(self, webhook_id: str, session: Session | None = None) -> None:
        """Forget the deliveries of a webhook."""
        await self._deliveries.delete({"webhook_id": webhook_id}, session)


def _id(webhook_id: str, message_id: str) -> str:
    return f"{webhook_id}/{message_id}"


def _attempt_row(attempt: Attempt) -> Document:
    row: dict[str, Any] = asdict(attempt)
    waits = attempt.retry_after
    return row | {"cause": attempt.cause.value, "retry_after": waits.total_seconds() if waits is not None else None}


def _attempt(row: Document) -> Attempt:
    waits = row["retry_after"]
    read = {"cause": Cause(row["cause"]), "retry_after": timedelta(seconds=waits) if waits is not None else None}
    return Attempt(**row | read)


def _row(delivery: Delivery) -> Document:
    row: Document = {
        "_id": _id(delivery.webhook_id, delivery.message_id),
        "webhook_id": delivery.webhook_id,
        "message_id": delivery.message_id,
        "type": delivery.type,
        "state": delivery.state.value,
        "cause": delivery.cause.value,
        "created": delivery.created,
        "step": delivery.step,
        "attempts": [_attempt_row(attempt) for attempt in delivery.attempts],
    }
    return row | ({"due": delivery.due} if delivery.due is not None else {})


def _delivery(row: Document) -> Delivery:
    return Delivery(
        webhook_id=row["webhook_id"],
        message_id=row["message_id"],
        type=row["type"],
        state=State(row["state"]),
        cause=Cause(row["cause"]),
        created=row["created"],
        step=row["step"],
        due=row.get("due"),
        claim=row.get("claim"),
        attempts=tuple(_attempt(attempt) for attempt in row["attempts"]),
    )
