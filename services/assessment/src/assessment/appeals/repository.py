"""Appeals against assessments."""

from __future__ import annotations

from typing import Any

from cme_kit.mongo import Database, Document, Index, Session

from assessment.appeals.domain import Appeal, AppealState, Decision

COLLECTION = "appeals"
INDEXES = (
    # One appeal per assessment, whoever sends how many at once.
    Index(COLLECTION, ("credit_id", "attempt"), unique=True),
    Index(COLLECTION, ("plan_id", "state", "_id")),
    Index(COLLECTION, ("state", "_id")),
    Index(COLLECTION, ("person_id", "_id")),
)


def _appeal(row: Document) -> Appeal:
    return Appeal.model_validate({**row, "appeal_id": row["_id"]})


class AppealRepository:
    """Reads and writes appeals."""

    def __init__(self, database: Database) -> None:
        self._rows = database.collection(COLLECTION)

    async def add(self, appeal: Appeal, session: Session) -> None:
        """Store a new appeal."""
        row = {"_id": appeal.appeal_id, **appeal.model_dump(exclude={"appeal_id"})}
        await self._rows.insert(row, session=session)

    async def exists(self, credit_id: str, attempt: int, session: Session) -> bool:
        """Whether this assessment was appealed against."""
        return await self._rows.find_one({"credit_id": credit_id, "attempt": attempt}, session=session) is not None

    async def find(self, appeal_id: str, session: Session | None = None) -> Appeal | None:
        """An appeal by its id."""
        row = await self._rows.find_one({"_id": appeal_id}, session=session)
        return _appeal(row) if row else None

    async def decide(self, appeal: Appeal, decision: Decision, session: Session) -> Appeal:
        """Close an appeal."""
        state = AppealState.UPHELD if decision.upheld else AppealState.DISMISSED
        update = {"$set": {"state": state, "decision": decision.model_dump()}}
        await self._rows.update({"_id": appeal.appeal_id}, update, session=session)
        return appeal.model_copy(update={"state": state, "decision": decision})

    async def page(
        self, *, person_id: str | None, plan_ids: list[str] | None, state: str | None, after: str | None, limit: int
    ) -> list[Appeal]:
        """Appeals of a person or under plans (None = of all), oldest first, one more than `limit` when there are."""
        wanted = {"person_id": person_id, "state": state}
        chosen: dict[str, Any] = {field: value for field, value in wanted.items() if value is not None}
        if plan_ids is not None:
            chosen["plan_id"] = {"$in": plan_ids}
        if after is not None:
            chosen["_id"] = {"$gt": after}
        return [_appeal(row) for row in await self._rows.find(chosen, sort=[("_id", 1)], limit=limit + 1)]

    async def erase(self, person_id: str, session: Session) -> None:
        """Empty what a person wrote and what was written about it; that and how it was decided stays."""
        await self._rows.update_many({"person_id": person_id}, {"$set": {"grounds": ""}}, session=session)
        decided = {"person_id": person_id, "state": {"$in": [AppealState.UPHELD, AppealState.DISMISSED]}}
        wordless = {"$set": {"decision.reason": "", "decision.marks.$[].comment": ""}}
        await self._rows.update_many(decided, wordless, session=session)
