"""Learners in MongoDB."""

from cme_kit.mongo import Database, Document, Index, Session

from enrolment.learners.domain import Learner, LearnerState, Withdrawal

LEARNERS = "learners"
INDEXES = (
    Index(LEARNERS, ("offer_id",), unique=True),
    Index(LEARNERS, ("cohort_id", "_id")),
    Index(LEARNERS, ("person_id", "_id")),
)


def _learner(document: Document) -> Learner:
    return Learner(enrolment_id=document["_id"], **{key: value for key, value in document.items() if key != "_id"})


class LearnerRepository:
    """Learners by enrolment, cohort and person."""

    def __init__(self, database: Database) -> None:
        self._learners = database.collection(LEARNERS)

    async def add(self, learner: Learner, session: Session) -> None:
        """Store a new learner."""
        fields = learner.model_dump(exclude={"enrolment_id"})
        await self._learners.insert({"_id": learner.enrolment_id, **fields}, session=session)

    async def find(self, enrolment_id: str, session: Session | None = None) -> Learner | None:
        """One learner, or None."""
        found = await self._learners.find_one({"_id": enrolment_id}, session=session)
        return _learner(found) if found else None

    async def page(self, filter_: Document, after: str | None, limit: int) -> list[Learner]:
        """Learners (of a cohort, of a person, or all) after a cursor, oldest first."""
        filter_ = {**filter_, "_id": {"$gt": after}} if after else filter_
        return [_learner(row) for row in await self._learners.find(filter_, sort=[("_id", 1)], limit=limit)]

    async def withdraw(self, enrolment_id: str, withdrawal: Withdrawal, session: Session) -> Learner | None:
        """Record that an enrolled learner leaves; None when they left before."""
        change = {"$set": {"state": LearnerState.WITHDRAWN.value, "withdrawal": withdrawal.model_dump()}}
        filter_ = {"_id": enrolment_id, "state": LearnerState.ENROLLED.value}
        changed = await self._learners.change(filter_, change, session=session)
        return _learner(changed) if changed else None

    async def erase_person(self, person_id: str, session: Session) -> None:
        """Empty the texts about a person."""
        filter_ = {"person_id": person_id, "state": LearnerState.WITHDRAWN.value}
        await self._learners.update_many(filter_, {"$set": {"withdrawal.note": ""}}, session=session)
