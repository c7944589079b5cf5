"""Labels in MongoDB."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from cme_kit.mongo import Database, Document, Index, Session
from pydantic import BaseModel, ConfigDict

LABELS = "labels"
INDEXES = (
    # The same award twice is one award.
    Index(LABELS, ("cluster_id", "level", "awarded_on"), unique=True),
    Index(LABELS, ("valid_until", "_id")),
)


class Label(BaseModel):
    """A label that a cluster was awarded."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    label_id: str
    cluster_id: str
    level: str
    kind: str
    awarded_on: date
    valid_until: date
    renew_from: date
    renew_until: date
    evidence_url: str
    recorded_at: datetime
    recorded_by: str


DATES = ("awarded_on", "valid_until", "renew_from", "renew_until")


def _moment(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)  # MongoDB keeps moments, not days


def _label(row: Document) -> Label:
    return Label.model_validate({**row, **{name: row[name].date() for name in DATES}, "label_id": row["_id"]})


class LabelRepository:
    """Reads and writes labels."""

    def __init__(self, database: Database) -> None:
        self._rows = database.collection(LABELS)

    async def add(self, label: Label, session: Session) -> None:
        """Store a label. Raises DuplicateKeyError when the same award is there."""
        days = {name: _moment(getattr(label, name)) for name in DATES}
        await self._rows.insert(
            {"_id": label.label_id, **label.model_dump(exclude={"label_id"}), **days}, session=session
        )

    async def of_cluster(self, cluster_id: str, session: Session | None = None) -> list[Label]:
        """A cluster's labels, oldest award first."""
        return [
            _label(row)
            for row in await self._rows.find({"cluster_id": cluster_id}, sort=[("awarded_on", 1)], session=session)
        ]

    async def page(self, *, expiring_before: date | None, after: str | None, limit: int) -> list[Label]:
        """Labels by id, those that end before a day when given."""
        chosen: Document = {}
        if expiring_before is not None:
            chosen["valid_until"] = {"$lt": _moment(expiring_before)}
        if after is not None:
            chosen["_id"] = {"$gt": after}
        return [_label(row) for row in await self._rows.find(chosen, sort=[("_id", 1)], limit=limit + 1)]

    async def move(self, from_id: str, to_id: str, session: Session) -> None:
        """Give a merged entry's labels to the one that took it over; an award that both have stays with the merged one."""
        own = {(label.level, label.awarded_on) for label in await self.of_cluster(to_id, session)}
        for label in await self.of_cluster(from_id, session):
            if (label.level, label.awarded_on) not in own:
                await self._rows.update({"_id": label.label_id}, {"$set": {"cluster_id": to_id}}, session=session)
