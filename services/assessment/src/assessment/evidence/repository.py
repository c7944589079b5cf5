"""Submissions and their contents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cme_kit.mongo import Database, Document, Index, Session

from assessment.evidence.domain import OPEN_STATES, Submission, SubmissionState

SUBMISSIONS = "submissions"
#: Apart from the submissions, so that lists never read megabytes. Keyed by the submission's id.
CONTENTS = "contents"
INDEXES = (
    Index(SUBMISSIONS, ("enrolment_id", "unit_id", "state")),
    Index(SUBMISSIONS, ("plan_id", "state", "_id")),
)


def _submission(row: Document) -> Submission:
    return Submission.model_validate({**row, "submission_id": row["_id"]})


class SubmissionRepository:
    """Reads and writes evidence."""

    def __init__(self, database: Database) -> None:
        self._rows = database.collection(SUBMISSIONS)
        self._contents = database.collection(CONTENTS)

    async def add(self, submission: Submission, session: Session) -> None:
        """Store a declared submission."""
        row = {"_id": submission.submission_id, **submission.model_dump(exclude={"submission_id"})}
        await self._rows.insert(row, session=session)

    async def find(self, submission_id: str, session: Session | None = None) -> Submission | None:
        """A submission by its id."""
        row = await self._rows.find_one({"_id": submission_id}, session=session)
        return _submission(row) if row else None

    async def open_of_unit(self, enrolment_id: str, unit_id: str, session: Session) -> list[Submission]:
        """A learner's submissions for a unit that are not assessed yet."""
        key = {"enrolment_id": enrolment_id, "unit_id": unit_id, "state": {"$in": list(OPEN_STATES)}}
        return [_submission(row) for row in await self._rows.find(key, sort=[("_id", 1)], session=session)]

    async def store_content(
        self, submission: Submission, content: bytes, at: datetime, *, late: bool | None, session: Session
    ) -> Submission:
        """Store verified bytes and mark the submission as handed in."""
        await self._contents.insert({"_id": submission.submission_id, "content": content}, session=session)
        fields = {"state": SubmissionState.SUBMITTED, "submitted_at": at, "late": late}
        await self._rows.update({"_id": submission.submission_id}, {"$set": fields}, session=session)
        return submission.model_copy(update=fields)

    async def content(self, submission_id: str) -> bytes | None:
        """The bytes of a submission, or None when it has none."""
        row = await self._contents.find_one({"_id": submission_id})
        return bytes(row["content"]) if row else None

    async def settle(self, submission_ids: list[str], state: SubmissionState, session: Session) -> None:
        """Give submissions a final state."""
        if submission_ids:
            await self._rows.update_many({"_id": {"$in": submission_ids}}, {"$set": {"state": state}}, session=session)

    async def remove(self, submission_id: str, session: Session) -> None:
        """Take back a submission with its content."""
        await self._contents.delete({"_id": submission_id}, session=session)
        await self._rows.delete({"_id": submission_id}, session=session)

    async def of_learner(self, enrolment_id: str) -> list[Submission]:
        """All submissions of a learner, oldest first."""
        rows = await self._rows.find({"enrolment_id": enrolment_id}, sort=[("_id", 1)])
        return [_submission(row) for row in rows]

    async def queue(
        self, plan_ids: list[str], state: SubmissionState, after: str | None, limit: int
    ) -> list[Submission]:
        """Submissions under these plans in a state, oldest first, one more than `limit` when there are."""
        chosen: dict[str, Any] = {"plan_id": {"$in": plan_ids}, "state": state}
        if after is not None:
            chosen["_id"] = {"$gt": after}
        return [_submission(row) for row in await self._rows.find(chosen, sort=[("_id", 1)], limit=limit + 1)]

    async def erase(self, enrolment_ids: list[str], session: Session) -> None:
        """Delete contents and titles of learners; what was not assessed is closed."""
        theirs = {"enrolment_id": {"$in": enrolment_ids}}
        rows = await self._rows.find(theirs, fields=["_id"], session=session)
        await self._contents.delete({"_id": {"$in": [row["_id"] for row in rows]}}, session=session)
        await self._rows.update_many(theirs, {"$set": {"title": ""}}, session=session)
        closing = {"$set": {"state": SubmissionState.ERASED}}
        await self._rows.update_many({**theirs, "state": {"$in": list(OPEN_STATES)}}, closing, session=session)
