"""Applications in MongoDB, each with its scores in one document, which two readers both touch."""

from collections.abc import Sequence

from cme_kit.mongo import Database, Document, DuplicateKeyError, Index, Session

from enrolment.applications.domain import READERS, Application, ApplicationState, Eligibility, Score

APPLICATIONS = "applications"
INDEXES = (
    Index(APPLICATIONS, ("call_id", "person_id"), unique=True),
    Index(APPLICATIONS, ("call_id", "_id")),
    Index(APPLICATIONS, ("call_id", "state", "rank")),
    Index(APPLICATIONS, ("person_id", "_id")),
)
#: Nothing was decided that others rely on: these can still be taken back.
PENDING = (ApplicationState.SUBMITTED.value, ApplicationState.WAITLISTED.value)


def _application(document: Document) -> Application:
    return Application(application_id=document["_id"], **{key: document[key] for key in document if key != "_id"})


class ApplicationRepository:
    """Applications by id, by call and by person."""

    def __init__(self, database: Database) -> None:
        self._applications = database.collection(APPLICATIONS)

    async def add(self, application: Application, session: Session) -> bool:
        """Store a new application; False when the person applied to this call before."""
        fields = application.model_dump(exclude={"application_id"})
        try:
            await self._applications.insert({"_id": application.application_id, **fields}, session=session)
        except DuplicateKeyError:
            return False
        return True

    async def find(self, application_id: str, session: Session | None = None) -> Application | None:
        """One application, or None."""
        found = await self._applications.find_one({"_id": application_id}, session=session)
        return _application(found) if found else None

    async def page(self, filter_: Document, after: str | None, limit: int) -> list[Application]:
        """Applications of a call or of a person after a cursor, oldest first."""
        filter_ = {**filter_, "_id": {"$gt": after}} if after else filter_
        return [_application(row) for row in await self._applications.find(filter_, sort=[("_id", 1)], limit=limit)]

    async def of_call(self, call_id: str, session: Session | None = None) -> list[Application]:
        """All applications of a call, oldest first."""
        rows = await self._applications.find({"call_id": call_id}, sort=[("_id", 1)], session=session)
        return [_application(row) for row in rows]

    async def waiting_list(self, call_id: str, session: Session) -> list[Application]:
        """Those on the waiting list, best first."""
        filter_ = {"call_id": call_id, "state": ApplicationState.WAITLISTED.value}
        return [
            _application(row) for row in await self._applications.find(filter_, sort=[("rank", 1)], session=session)
        ]

    async def waive(
        self, application_id: str, eligibility: Eligibility, by: str, session: Session
    ) -> Application | None:
        """Store a waiver while nothing is decided."""
        change = {"$set": {"eligibility": eligibility.model_dump(), "waived_by": by}}
        return await self._change(application_id, [ApplicationState.SUBMITTED.value], change, session)

    async def score(self, application_id: str, score: Score, session: Session) -> Application | None:
        """Add a score while there is room for one."""
        room = {f"scores.{READERS - 1}": {"$exists": False}}
        change = {"$push": {"scores": score.model_dump()}}
        return await self._change(application_id, [ApplicationState.SUBMITTED.value], change, session, room)

    async def withdraw(self, application_id: str, session: Session) -> Application | None:
        """Take an application back that waits for a decision."""
        change = {"$set": {"state": ApplicationState.WITHDRAWN.value}}
        return await self._change(application_id, PENDING, change, session)

    async def decide(
        self, application_id: str, state: ApplicationState, rank: int, explanation: str, session: Session
    ) -> Application | None:
        """Store what the selection or a promotion decided."""
        change = {"$set": {"state": state.value, "rank": rank, "explanation": explanation}}
        return await self._change(application_id, PENDING, change, session)

    async def erase_person(self, person_id: str, session: Session) -> None:
        """Empty the texts of and about a person; what waits for a decision is taken back."""
        texts = {"$set": {"motivation": "", "scores.$[].comment": ""}}
        await self._applications.update_many({"person_id": person_id}, texts, session=session)
        pending = {"person_id": person_id, "state": {"$in": list(PENDING)}}
        withdrawn = {"$set": {"state": ApplicationState.WITHDRAWN.value}}
        await self._applications.update_many(pending, withdrawn, session=session)

    async def _change(
        self,
        application_id: str,
        states: Sequence[str],
        change: Document,
        session: Session,
        condition: Document | None = None,
    ) -> Application | None:
        filter_ = {"_id": application_id, "state": {"$in": list(states)}, **(condition or {})}
        changed = await self._applications.change(filter_, change, session=session)
        return _application(changed) if changed else None
