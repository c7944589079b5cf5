"""The webhooks, and which organisations a record concerns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from cme_kit.mongo import Database, Document, Index, Session

from gateway.webhooks.domain import Reason, Signing, SigningKey, Status, Webhook

WEBHOOKS = "webhooks"
CONCERNED = "webhook_concerned"
#: The embedded server is slow with more ids at once.
IDS_AT_ONCE = 100
INDEXES = (
    Index(WEBHOOKS, ("client_id", "_id")),
    Index(WEBHOOKS, ("event_types", "status")),
)


class WebhookRepository:
    """Webhooks by their id, by their client, and by what they want to be told."""

    def __init__(self, database: Database) -> None:
        self._webhooks = database.collection(WEBHOOKS)

    async def add(self, webhook: Webhook, session: Session) -> None:
        """Store a new webhook."""
        await self._webhooks.insert(_row(webhook), session=session)

    async def find(self, webhook_id: str, session: Session | None = None) -> Webhook | None:
        """The webhook with an id."""
        row = await self._webhooks.find_one({"_id": webhook_id}, session)
        return _webhook(row) if row else None

    async def of_client(
        self, client_id: str, after: str | None, limit: int, session: Session | None = None
    ) -> list[Webhook]:
        """A client's webhooks by id after a cursor, one more than `limit`."""
        filter_ = {"client_id": client_id, "_id": {"$gt": after or ""}}
        rows = await self._webhooks.find(filter_, sort=[("_id", 1)], limit=limit + 1, session=session)
        return [_webhook(row) for row in rows]

    async def count_of_client(self, client_id: str, session: Session) -> int:
        """How many a client has."""
        return await self._webhooks.count({"client_id": client_id}, session)

    async def listening_for(self, type_: str, session: Session) -> list[Webhook]:
        """The active webhooks that want to be told of a type."""
        filter_ = {"event_types": type_, "status": Status.ACTIVE.value}
        return [_webhook(row) for row in await self._webhooks.find(filter_, session=session)]

    async def paused(self, webhook_ids: Sequence[str], now: datetime) -> set[str]:
        """Those of these webhooks whose receiver asked to be left alone."""
        found: set[str] = set()
        for start in range(0, len(webhook_ids), IDS_AT_ONCE):
            filter_ = {"_id": {"$in": list(webhook_ids[start : start + IDS_AT_ONCE])}, "paused_until": {"$gt": now}}
            found |= {row["_id"] for row in await self._webhooks.find(filter_, fields=["_id"])}
        return found

    async def replace(self, webhook: Webhook, revision: int, session: Session) -> bool:
        """Store what a webhook has become, unless it was changed since that revision."""
        row = _row(webhook) | {"revision": revision + 1}
        return bool(
            await self._webhooks.replace({"_id": webhook.webhook_id, "revision": revision}, row, session=session)
        )

    async def note_health(
        self, tried: Webhook, failing_since: datetime | None, paused_until: datetime | None, session: Session
    ) -> None:
        """Keep how the receiver at the address that was tried does; no change that its owner would have to know of."""
        there = {"_id": tried.webhook_id, "url": tried.url, "status": Status.ACTIVE.value}
        change = {"$set": {"failing_since": failing_since, "paused_until": paused_until}}
        await self._webhooks.update(there, change, session=session)

    async def disable(self, disabled: Webhook, session: Session) -> bool:
        """Store a webhook that was disabled for its receiver's sake, unless its owner changed it or its address."""
        there: Document = {"_id": disabled.webhook_id, "revision": disabled.revision, "url": disabled.url}
        there |= {"status": Status.ACTIVE.value}
        row = _row(disabled) | {"revision": disabled.revision + 1}
        return bool(await self._webhooks.replace(there, row, session=session))

    async def remove(self, webhook_id: str, session: Session) -> None:
        """Forget a webhook."""
        await self._webhooks.delete({"_id": webhook_id}, session)


class ConcernedRepository:
    """Which organisations a record concerns, as the events about it told."""

    def __init__(self, database: Database) -> None:
        self._rows = database.collection(CONCERNED)

    async def of(self, record_id: str, session: Session) -> frozenset[str] | None:
        """The organisations of a record; None when nothing was told of it."""
        row = await self._rows.find_one({"_id": record_id}, session)
        return frozenset(row["organisations"]) if row else None

    async def tell(self, record_id: str, organisations: Iterable[str], session: Session) -> None:
        """A record concerns these organisations as well."""
        change = {"$addToSet": {"organisations": {"$each": sorted(organisations)}}}
        await self._rows.update({"_id": record_id}, change, upsert=True, session=session)

    async def forget(self, record_id: str, session: Session) -> None:
        """Nothing more will happen to a record."""
        await self._rows.delete({"_id": record_id}, session)


def _row(webhook: Webhook) -> Document:
    fields: dict[str, Any] = asdict(webhook)
    del fields["webhook_id"]
    keys = [key | {"signing": key["signing"].value} for key in fields["keys"]]
    reason = webhook.disabled_reason.value if webhook.disabled_reason else None
    return fields | {
        "_id": webhook.webhook_id,
        "event_types": sorted(webhook.event_types),
        "keys": keys,
        "status": webhook.status.value,
        "disabled_reason": reason,
    }


def _webhook(row: Document) -> Webhook:
    fields = {name: value for name, value in row.items() if name != "_id"}
    keys = tuple(SigningKey(**(key | {"signing": Signing(key["signing"])})) for key in row["keys"])
    return Webhook(
        **fields
        | {
            "webhook_id": row["_id"],
            "event_types": frozenset(row["event_types"]),
            "keys": keys,
            "status": Status(row["status"]),
            "disabled_reason": Reason(row["disabled_reason"]) if row["disabled_reason"] else None,
        }
    )
