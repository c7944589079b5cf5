"""Learners as enrolment announced them, with what assessment adds."""

from __future__ import annotations

from datetime import date

from cme_kit.mongo import Database, Document, Index, Session

from assessment.learners.domain import Agreement, Learner, RecognisedUnit

COLLECTION = "learners"
INDEXES = (
    Index(COLLECTION, ("person_id",)),
    Index(COLLECTION, ("cohort_id", "state")),
)


def _learner(row: Document | None) -> Learner | None:
    return Learner.model_validate({**row, "enrolment_id": row["_id"]}) if row else None


class LearnerRepository:
    """Reads and writes learners."""

    def __init__(self, database: Database) -> None:
        self._rows = database.collection(COLLECTION)

    async def add(self, learner: Learner, session: Session) -> None:
        """Store a learner; one that is known stays as it is."""
        fields = learner.model_dump(exclude={"enrolment_id"})
        insert = {"$setOnInsert": {**fields, "revision": 1}}
        await self._rows.update({"_id": learner.enrolment_id}, insert, upsert=True, session=session)

    async def find(self, enrolment_id: str) -> Learner | None:
        """A learner by the enrolment's id."""
        return _learner(await self._rows.find_one({"_id": enrolment_id}))

    async def lock(self, enrolment_id: str, session: Session) -> Learner | None:
        """Read a learner so that of two transactions that do, one runs again after the other."""
        return _learner(await self._rows.change({"_id": enrolment_id}, {"$inc": {"revision": 1}}, session=session))

    async def keep_agreements(self, enrolment_id: str, agreements: list[Agreement], session: Session) -> None:
        """Replace the agreements in force."""
        rows = [agreement.model_dump() for agreement in agreements]
        await self._rows.update({"_id": enrolment_id}, {"$set": {"agreements": rows}}, session=session)

    async def withdraw(self, enrolment_id: str, day: date, session: Session) -> bool:
        """Note a withdrawal; False when the learner is not known."""
        update = {"$set": {"state": "withdrawn", "withdrawn_on": day.isoformat()}, "$inc": {"revision": 1}}
        return bool(await self._rows.update({"_id": enrolment_id}, update, session=session))

    async def add_recognised(self, enrolment_id: str, unit: RecognisedUnit, session: Session) -> Learner:
        """Add a recognised unit and return the learner with all of them.

        This is the document that two concurrent recognitions both write: the second runs again and sees the first.
        """
        update = {"$push": {"recognised": unit.model_dump()}, "$inc": {"revision": 1}}
        learner = _learner(await self._rows.change({"_id": enrolment_id}, update, session=session))
        assert learner is not None  # a credit exists only for a known learner, and learners are never removed
        return learner

    async def complete(self, enrolment_id: str, day: date, session: Session) -> None:
        """Note the day of completion."""
        await self._rows.update({"_id": enrolment_id}, {"$set": {"completed_on": day.isoformat()}}, session=session)

    async def erase_person(self, person_id: str, session: Session) -> list[str]:
        """Mark a person's learners as erased; their ids."""
        rows = await self._rows.find({"person_id": person_id}, fields=["_id"], session=session)
        update = {"$set": {"erased": True}, "$inc": {"revision": 1}}
        await self._rows.update_many({"person_id": person_id}, update, session=session)
        return [str(row["_id"]) for row in rows]

    async def of_cohort(self, cohort_id: str) -> list[Learner]:
        """The learners of a cohort."""
        rows = await self._rows.find({"cohort_id": cohort_id})
        return [Learner.model_validate({**row, "enrolment_id": row["_id"]}) for row in rows]
