"""People in MongoDB: a profile, or the tombstone of an erased one."""

from datetime import datetime

from cme_kit.mongo import Database, Document, Index, Session

from enrolment.people.schemas import PersonView

PEOPLE = "people"
INDEXES: tuple[Index, ...] = ()  # read by _id only


class PersonRepository:
    """People by id."""

    def __init__(self, database: Database) -> None:
        self._people = database.collection(PEOPLE)

    async def find(self, person_id: str, session: Session | None = None) -> Document | None:
        """The stored document (a profile, or a tombstone with `erased_at`), or None."""
        return await self._people.find_one({"_id": person_id}, session=session)

    async def save(self, person: PersonView, session: Session) -> None:
        """Store a profile."""
        profile = person.model_dump(exclude={"person_id"})
        await self._people.replace({"_id": person.person_id}, profile, upsert=True, session=session)

    async def erase(self, person_id: str, erased_at: datetime, reason: str, by: str, session: Session) -> None:
        """Leave nothing but the fact, so that the person is not registered again by accident."""
        tombstone = {"erased_at": erased_at, "reason": reason, "decided_by": by}
        await self._people.replace({"_id": person_id}, tombstone, session=session)
