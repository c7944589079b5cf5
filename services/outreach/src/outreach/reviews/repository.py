"""Questions for a person, in MongoDB. A decided one no longer holds what it was about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cme_kit.mongo import Database, Document, Index, Session

from outreach.reviews.domain import Review

REVIEWS = "reviews"
INDEXES = (
    Index(REVIEWS, ("fingerprint",), unique=True),
    Index(REVIEWS, ("state", "_id")),
)


def _review(row: Document) -> Review:
    return Review.model_validate({**row, "review_id": row["_id"]})


class ReviewRepository:
    """Reads and writes reviews."""

    def __init__(self, database: Database) -> None:
        self._rows = database.collection(REVIEWS)

    async def add_many(self, reviews: Sequence[Review], session: Session) -> None:
        """Store new questions."""
        rows = [{"_id": review.review_id, **review.model_dump(exclude={"review_id"})} for review in reviews]
        await self._rows.insert_many(rows, session=session)

    async def find(self, review_id: str, session: Session | None = None) -> Review | None:
        """A question by its id."""
        row = await self._rows.find_one({"_id": review_id}, session=session)
        return _review(row) if row else None

    async def fingerprints(self, session: Session) -> set[str]:
        """Every question that was ever asked."""
        return {str(row["fingerprint"]) for row in await self._rows.find({}, fields=["fingerprint"], session=session)}

    async def page(self, *, state: str | None, after: str | None, limit: int) -> list[Review]:
        """Questions, oldest first, one more than `limit` when there are."""
        chosen: Document = {"state": state} if state else {}
        if after is not None:
            chosen["_id"] = {"$gt": after}
        return [_review(row) for row in await self._rows.find(chosen, sort=[("_id", 1)], limit=limit + 1)]

    async def decide(
        self, review_id: str, decision: str, note: str, decided_by: str, at: datetime, session: Session
    ) -> Review | None:
        """Close an open question and forget the values it was about; None when it is not open."""
        stated = {"state": "decided", "decision": decision, "note": note, "decided_by": decided_by, "decided_at": at}
        update = {"$set": {**stated, "value": None, "proposal": None}}
        row = await self._rows.change({"_id": review_id, "state": "open"}, update, session=session)
        return _review(row) if row else None
