"""Sends and the sender's lease in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cme_kit.mongo import Database, Document, DuplicateKeyError, Index, Session

from outreach.sending.domain import Send, SendState

SENDS = "sends"
SENDERS = "sender_leases"
INDEXES = (
    # One mail per address and campaign, whatever is started twice.
    Index(SENDS, ("campaign_id", "address_hash"), unique=True),
    Index(SENDS, ("campaign_id", "state", "_id")),
    Index(SENDS, ("state", "epoch"), partial={"state": SendState.SENDING.value}),
    Index(SENDS, ("cluster_id", "state")),
)


def _send(row: Document) -> Send:
    return Send.model_validate({**row, "send_id": row["_id"]})


class SendRepository:
    """Reads and writes sends. Every change of state is conditional on the state it leaves."""

    def __init__(self, database: Database) -> None:
        self._rows = database.collection(SENDS)
        self._leases = database.collection(SENDERS)

    async def add_many(self, sends: Sequence[Send], session: Session) -> None:
        """Store a campaign's snapshot. Raises BulkWriteError when an address is there already."""
        rows = [{"_id": send.send_id, **send.model_dump(exclude={"send_id"}), "epoch": 0} for send in sends]
        await self._rows.insert_many(rows, session=session)

    async def find(self, send_id: str, session: Session | None = None) -> Send | None:
        """A send by its id."""
        row = await self._rows.find_one({"_id": send_id}, session=session)
        return _send(row) if row else None

    async def due(self, campaign_id: str, now: datetime, limit: int) -> list[Send]:
        """Queued sends whose time has come, oldest first."""
        chosen = {
            "campaign_id": campaign_id,
            "state": SendState.QUEUED,
            "$or": [{"not_before": None}, {"not_before": {"$lte": now}}],
        }
        return [_send(row) for row in await self._rows.find(chosen, sort=[("_id", 1)], limit=limit)]

    async def claim(
        self, send_id: str, claim_id: str, epoch: int, rule_id: str, now: datetime, session: Session
    ) -> Send | None:
        """Queued -> sending for one sender, or None when it is not queued any more."""
        claimed = {
            "state": SendState.SENDING,
            "claim_id": claim_id,
            "epoch": epoch,
            "rule_id": rule_id,
            "claimed_at": now,
        }
        update = {"$set": claimed, "$inc": {"attempts": 1}}
        row = await self._rows.change({"_id": send_id, "state": SendState.QUEUED}, update, session=session)
        return _send(row) if row else None

    async def suppress(self, send_id: str, rule_id: str, now: datetime, session: Session) -> None:
        """Queued -> suppressed: a rule says no at the moment of the claim."""
        update = {"$set": {"state": SendState.SUPPRESSED, "rule_id": rule_id, "finished_at": now}}
        await self._rows.update({"_id": send_id, "state": SendState.QUEUED}, update, session=session)

    async def conclude(
        self, send_id: str, claim_id: str, state: SendState, reply: str, not_before: datetime | None, now: datetime
    ) -> bool:
        """Write the end of the dialogue that this claim led.

        Also when another sender put the row in doubt meanwhile: who led the dialogue knows better.
        """
        ended: dict[str, Any] = {"state": state, "reply": reply[:500], "not_before": not_before}
        if state is not SendState.QUEUED:
            ended["finished_at"] = now
        chosen = {"_id": send_id, "claim_id": claim_id, "state": {"$in": [SendState.SENDING, SendState.IN_DOUBT]}}
        return bool(await self._rows.update(chosen, {"$set": ended}))

    async def doubt_abandoned(self, epoch: int, now: datetime) -> int:
        """Sending -> in_doubt for every claim of an earlier sender: nobody knows whether the relay has the mail."""
        chosen = {"state": SendState.SENDING, "epoch": {"$ne": epoch}}
        update = {"$set": {"state": SendState.IN_DOUBT, "finished_at": now, "reply": "the sender stopped in between"}}
        return await self._rows.update_many(chosen, update)

    async def settle(
        self, send_id: str, state: SendState, settlement: dict[str, Any], now: datetime, session: Session
    ) -> Send | None:
        """in_doubt -> what a person found out; None when it is not in doubt."""
        changed: Document = {"state": state, "settlement": settlement, "not_before": None}
        if state is SendState.SENT:
            changed["finished_at"] = now
        chosen = {"_id": send_id, "state": SendState.IN_DOUBT}
        row = await self._rows.change(chosen, {"$set": changed}, session=session)
        return _send(row) if row else None

    async def counts(self, campaign_id: str, session: Session | None = None) -> dict[str, int]:
        """How many sends of a campaign are in each state."""
        grouped = await self._rows.aggregate(
            [{"$match": {"campaign_id": campaign_id}}, {"$group": {"_id": "$state", "n": {"$sum": 1}}}], session=session
        )
        return {str(group["_id"]): int(group["n"]) for group in grouped}

    async def clusters_contacted(self, campaign_id: str) -> int:
        """Distinct clusters that the relay took a mail for."""
        chosen = {"campaign_id": campaign_id, "state": SendState.SENT}
        return len({row["cluster_id"] for row in await self._rows.find(chosen, fields=["cluster_id"])})

    async def first_sent(self) -> list[tuple[str, str, datetime]]:
        """Of every cluster that was sent a mail: its id, a send, and when the first one was accepted."""
        rows = await self._rows.find({"state": SendState.SENT}, fields=["cluster_id", "finished_at"])
        first: dict[str, tuple[str, datetime]] = {}
        for row in rows:
            known = first.get(row["cluster_id"])
            if known is None or row["finished_at"] < known[1]:
                first[row["cluster_id"]] = (str(row["_id"]), row["finished_at"])
        return [(cluster_id, send_id, at) for cluster_id, (send_id, at) in first.items()]

    async def page(self, campaign_id: str, *, state: str | None, after: str | None, limit: int) -> list[Send]:
        """A campaign's sends by id, one more than `limit` when there are."""
        chosen: Document = {"campaign_id": campaign_id}
        if state is not None:
            chosen["state"] = state
        if after is not None:
            chosen["_id"] = {"$gt": after}
        return [_send(row) for row in await self._rows.find(chosen, sort=[("_id", 1)], limit=limit + 1)]

    async def move(self, from_id: str, to_id: str, session: Session) -> None:
        """Give a merged entry's sends to the one that took it over."""
        await self._rows.update_many({"cluster_id": from_id}, {"$set": {"cluster_id": to_id}}, session=session)

    async def lead(self, owner: str, now: datetime, until: datetime) -> int | None:
        """Take or renew the sender's lease; its epoch, or None while another sender holds it."""
        mine = await self._leases.change({"_id": "sender", "owner": owner}, {"$set": {"until": until}})
        if mine is not None:
            return int(mine["epoch"])
        taken = {"$set": {"owner": owner, "until": until}, "$inc": {"epoch": 1}}
        try:
            row = await self._leases.change({"_id": "sender", "until": {"$lt": now}}, taken, upsert=True)
        except DuplicateKeyError:  # held by another: the upsert matched nothing and could not insert
            return None
        return int(row["epoch"]) if row else None

    async def resign(self, owner: str, now: datetime) -> None:
        """Give the lease back, so that the next sender need not wait for its end."""
        await self._leases.update({"_id": "sender", "owner": owner}, {"$set": {"until": now, "owner": ""}})
