"""Credits: one document per learner and unit."""

from __future__ import annotations

from typing import Any

from cme_kit.mongo import Database, Document, Index, Session

from assessment.credits.domain import Credit

COLLECTION = "credits"
INDEXES = (
    Index(COLLECTION, ("enrolment_id", "unit_id"), unique=True),
    Index(COLLECTION, ("plan_id", "state", "_id")),
    Index(COLLECTION, ("state", "_id")),
    Index(COLLECTION, ("person_id", "_id")),
    Index(COLLECTION, ("cohort_id", "state")),
)


def _credit(row: Document) -> Credit:
    return Credit.model_validate({**row, "credit_id": row["_id"]})


def _row(credit: Credit) -> Document:
    return {"_id": credit.credit_id, **credit.model_dump(exclude={"credit_id"})}


class CreditRepository:
    """Reads and writes credits."""

    def __init__(self, database: Database) -> None:
        self._rows = database.collection(COLLECTION)

    async def add(self, credit: Credit, session: Session) -> None:
        """Store a first assessment. Raises DuplicateKeyError when the learner has a credit for the unit."""
        await self._rows.insert(_row(credit), session=session)

    async def replace(self, credit: Credit, session: Session) -> Credit:
        """Store the next state of a credit read in this transaction; it has the next revision.

        Two transactions that read the same revision conflict here, and one of them runs again.
        """
        following = credit.model_copy(update={"revision": credit.revision + 1})
        key = {"_id": credit.credit_id, "revision": credit.revision}
        replaced = await self._rows.replace(key, _row(following), session=session)
        assert replaced == 1  # read in the same snapshot
        return following

    async def find(self, credit_id: str, session: Session | None = None) -> Credit | None:
        """A credit by its id."""
        row = await self._rows.find_one({"_id": credit_id}, session=session)
        return _credit(row) if row else None

    async def of_unit(self, enrolment_id: str, unit_id: str, session: Session) -> Credit | None:
        """A learner's credit for a unit."""
        row = await self._rows.find_one({"enrolment_id": enrolment_id, "unit_id": unit_id}, session=session)
        return _credit(row) if row else None

    async def of_learner(self, enrolment_id: str) -> list[Credit]:
        """All credits of a learner."""
        return [_credit(row) for row in await self._rows.find({"enrolment_id": enrolment_id})]

    async def page(
        self,
        *,
        person_id: str | None,
        plan_ids: list[str] | None,
        enrolment_id: str | None,
        state: str | None,
        after: str | None,
        limit: int,
    ) -> list[Credit]:
        """Credits of a person or under plans (None = of all), oldest first, one more than `limit` when there are."""
        wanted = {"person_id": person_id, "enrolment_id": enrolment_id, "state": state}
        chosen: dict[str, Any] = {field: value for field, value in wanted.items() if value is not None}
        if plan_ids is not None:
            chosen["plan_id"] = {"$in": plan_ids}
        if after is not None:
            chosen["_id"] = {"$gt": after}
        return [_credit(row) for row in await self._rows.find(chosen, sort=[("_id", 1)], limit=limit + 1)]

    async def count_by_state(self, cohort_id: str) -> dict[str, int]:
        """How many credits of a cohort are in each state."""
        counting: list[Document] = [
            {"$match": {"cohort_id": cohort_id}},
            {"$group": {"_id": "$state", "n": {"$sum": 1}}},
        ]
        return {str(row["_id"]): int(row["n"]) for row in await self._rows.aggregate(counting)}

    async def erase(self, enrolment_ids: list[str], session: Session) -> None:
        """Empty what was written about learners; marks, acts and points stay."""
        for row in await self._rows.find({"enrolment_id": {"$in": enrolment_ids}}, session=session):
            credit = _credit(row)
            wordless = [
                entry.model_copy(update={"feedback": "", "outcomes": _without_comments(entry.outcomes)})
                for entry in credit.history
            ]
            fields = {"feedback": "", "outcomes": _without_comments(credit.outcomes), "history": wordless}
            await self.replace(credit.model_copy(update={**fields, "statement": None}), session)


def _without_comments(outcomes: list[Any]) -> list[Any]:
    return [outcome.model_copy(update={"comment": ""}) for outcome in outcomes]
