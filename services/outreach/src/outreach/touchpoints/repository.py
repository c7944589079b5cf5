"""Touchpoints in MongoDB."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from cme_kit.mongo import Database, Document, Index, Session
from pydantic import BaseModel, ConfigDict

from outreach.touchpoints.domain import Tier, TouchpointState

TOUCHPOINTS = "touchpoints"
INDEXES = (
    # One occurrence is one touchpoint, however often it is reported.
    Index(TOUCHPOINTS, ("occurrence",), unique=True),
    Index(TOUCHPOINTS, ("cluster_id", "_id")),
    Index(TOUCHPOINTS, ("state", "cluster_id")),
    Index(TOUCHPOINTS, ("person_id",), partial={"person_id": {"$type": "string"}}),
)


class Touchpoint(BaseModel):
    """One occurrence with its evidence."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    touchpoint_id: str
    cluster_id: str
    tier: Tier
    kind: str
    occurred_on: date
    evidence: dict[str, Any]
    origin: str
    occurrence: str
    state: TouchpointState
    person_id: str | None = None
    recorded_by: str
    recorded_at: datetime
    confirmed_by: str | None = None
    confirmed_at: datetime | None = None


def _row(touchpoint: Touchpoint) -> Document:
    day = datetime.combine(touchpoint.occurred_on, time(), UTC)  # MongoDB keeps moments, not days
    return {
        "_id": touchpoint.touchpoint_id,
        **touchpoint.model_dump(exclude={"touchpoint_id"}),
        "occurred_on": day,
    }


def _touchpoint(row: Document) -> Touchpoint:
    return Touchpoint.model_validate({**row, "touchpoint_id": row["_id"], "occurred_on": row["occurred_on"].date()})


class TouchpointRepository:
    """Reads and writes touchpoints."""

    def __init__(self, database: Database) -> None:
        self._rows = database.collection(TOUCHPOINTS)

    async def add_many(self, touchpoints: Sequence[Touchpoint], session: Session) -> None:
        """Store new touchpoints. Raises DuplicateKeyError or BulkWriteError for an occurrence that is there."""
        await self._rows.insert_many([_row(touchpoint) for touchpoint in touchpoints], session=session)

    async def find(self, touchpoint_id: str, session: Session | None = None) -> Touchpoint | None:
        """A touchpoint by its id."""
        row = await self._rows.find_one({"_id": touchpoint_id}, session=session)
        return _touchpoint(row) if row else None

    async def known(self, occurrences: Collection[str], session: Session) -> dict[str, str]:
        """Which of these occurrences are recorded, and as which touchpoint."""
        rows = await self._rows.find({"occurrence": {"$in": list(occurrences)}}, fields=["occurrence"], session=session)
        return {str(row["occurrence"]): str(row["_id"]) for row in rows}

    async def confirm(self, touchpoint_id: str, by: str, at: datetime, session: Session) -> Touchpoint | None:
        """awaiting_confirmation -> counted, or None when it is not awaiting."""
        chosen = {"_id": touchpoint_id, "state": TouchpointState.AWAITING_CONFIRMATION}
        update = {"$set": {"state": TouchpointState.COUNTED, "confirmed_by": by, "confirmed_at": at}}
        row = await self._rows.change(chosen, update, session=session)
        return _touchpoint(row) if row else None

    async def page(
        self, *, cluster_id: str | None, state: str | None, after: str | None, limit: int
    ) -> list[Touchpoint]:
        """Touchpoints by id, one more than `limit` when there are."""
        wanted = {"cluster_id": cluster_id, "state": state}
        chosen: Document = {field: value for field, value in wanted.items() if value is not None}
        if after is not None:
            chosen["_id"] = {"$gt": after}
        return [_touchpoint(row) for row in await self._rows.find(chosen, sort=[("_id", 1)], limit=limit + 1)]

    async def counted(self) -> list[tuple[str, Tier, date, str]]:
        """Cluster, tier, day and id of every touchpoint that counts."""
        fields = ["cluster_id", "tier", "occurred_on"]
        rows = await self._rows.find({"state": TouchpointState.COUNTED}, fields=fields)
        return [(str(row["cluster_id"]), Tier(row["tier"]), row["occurred_on"].date(), str(row["_id"])) for row in rows]

    async def move(self, from_id: str, to_id: str, session: Session) -> None:
        """Give a merged entry's touchpoints to the one that took it over."""
        await self._rows.update_many({"cluster_id": from_id}, {"$set": {"cluster_id": to_id}}, session=session)

    async def forget_person(self, person_id: str, session: Session) -> None:
        """Keep the occurrence, forget who it was."""
        await self._rows.update_many({"person_id": person_id}, {"$set": {"person_id": None}}, session=session)
