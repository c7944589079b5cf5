"""Where the catalogue's records and its numbered changes are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cme_kit.mongo import Database, Document, Index, Session

from curriculum.catalogue.domain import Change, ChangeKind, ChangeWord, Course

COURSES = "courses"
CHANGES = "changes"
COUNTERS = "counters"
#: Courses are keyed by slug, changes by their number; both are read in that order.
INDEXES = (
    Index(COURSES, ("listed", "_id")),
    Index(COURSES, ("programme_id",), unique=True),
)


@dataclass(frozen=True)
class Head:
    """The end of the change feed."""

    sequence: int
    changed_at: datetime | None


class CourseRepository:
    """Stores and finds courses."""

    def __init__(self, database: Database) -> None:
        self._courses = database.collection(COURSES)

    async def save(self, course: Course, session: Session) -> None:
        """Store a course in its present form."""
        document = {"_id": course.slug, **course.model_dump(mode="json")}
        await self._courses.replace({"_id": course.slug}, document, upsert=True, session=session)

    async def find(self, slug: str) -> Course | None:
        """A course by its name in addresses, listed or not."""
        found = await self._courses.find_one({"_id": slug})
        return Course.model_validate(found) if found else None

    async def of_programme(self, programme_id: str, session: Session) -> Course | None:
        """The course of a programme, listed or not."""
        found = await self._courses.find_one({"programme_id": programme_id}, session)
        return Course.model_validate(found) if found else None

    async def page(self, after: str | None, limit: int, language: str | None = None) -> list[Course]:
        """Listed courses after a slug, in the order of their slugs, taught in a language if one is given."""
        wanted: Document = {"listed": True}
        if after:
            wanted["_id"] = {"$gt": after}
        if language:
            wanted["$or"] = [{"language": language}, {"offerings.language": language}]
        return [Course.model_validate(row) for row in await self._courses.find(wanted, sort=[("_id", 1)], limit=limit)]


class ChangeRepository:
    """Appends and reads the change feed."""

    def __init__(self, database: Database) -> None:
        self._changes = database.collection(CHANGES)
        self._counters = database.collection(COUNTERS)

    async def append(
        self, kind: ChangeKind, record_id: str, slug: str, change: ChangeWord, now: datetime, session: Session
    ) -> None:
        """Number a change. Two writers both touch the counter, so one of them runs again and no number is lost."""
        counted = await self._counters.change(
            {"_id": "catalogue"}, {"$inc": {"n": 1}, "$set": {"changed_at": now}}, upsert=True, session=session
        )
        assert counted is not None  # an upsert always returns a document
        row = Change(sequence=counted["n"], kind=kind, id=record_id, slug=slug, change=change, changed_at=now)
        await self._changes.insert({"_id": row.sequence, **row.model_dump(mode="json")}, session)

    async def after(self, sequence: int, limit: int) -> list[Change]:
        """Changes with greater numbers, in their order."""
        found = await self._changes.find({"_id": {"$gt": sequence}}, sort=[("_id", 1)], limit=limit)
        return [Change.model_validate(row) for row in found]

    async def head(self) -> Head:
        """The number and moment of the last change."""
        found = await self._counters.find_one({"_id": "catalogue"})
        return Head(found["n"], found["changed_at"]) if found else Head(0, None)
