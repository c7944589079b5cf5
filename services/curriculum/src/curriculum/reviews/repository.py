"""Where review rounds are kept: one document each, so that every vote and comment of a round meets the others."""

from __future__ import annotations

from cme_kit.mongo import Database, Document, Index, Session

from curriculum.reviews.domain import Review, ReviewState

REVIEWS = "reviews"
INDEXES = (
    Index(REVIEWS, ("state", "_id")),
    Index(REVIEWS, ("invited", "_id")),
    Index(REVIEWS, ("programme_id", "version", "_id")),
)


class ReviewRepository:
    """Stores and finds review rounds."""

    def __init__(self, database: Database) -> None:
        self._reviews = database.collection(REVIEWS)

    async def add(self, review: Review, session: Session) -> None:
        """Store a new round."""
        await self._reviews.insert(self._document(review), session)

    async def find(self, review_id: str, session: Session | None = None) -> Review | None:
        """The round with this id."""
        found = await self._reviews.find_one({"_id": review_id}, session)
        return Review.model_validate(found) if found else None

    async def replace(self, review: Review, session: Session) -> bool:
        """Store the next revision of a round; False when somebody else was faster."""
        former = {"_id": review.review_id, "revision": review.revision - 1}
        return await self._reviews.replace(former, self._document(review), session=session) == 1

    async def page(
        self, after: str | None, limit: int, *, invited: str | None, state: ReviewState | None
    ) -> list[Review]:
        """Rounds after a cursor, oldest first: those a person is invited to, those in a state, or all."""
        wanted: Document = {"_id": {"$gt": after}} if after else {}
        if invited:
            wanted["invited"] = invited
        if state:
            wanted["state"] = state.value
        found = await self._reviews.find(wanted, sort=[("_id", 1)], limit=limit)
        return [Review.model_validate(row) for row in found]

    async def of_person(self, person_id: str, session: Session) -> list[Review]:
        """Every round that a person was invited to."""
        found = await self._reviews.find({"invited": person_id}, session=session)
        return [Review.model_validate(row) for row in found]

    async def invites(self, person_id: str, programme_id: str, version: int) -> bool:
        """Whether a person was invited to judge a version."""
        wanted = {"invited": person_id, "programme_id": programme_id, "version": version}
        return await self._reviews.find_one(wanted) is not None

    @staticmethod
    def _document(review: Review) -> Document:
        invited = [*review.experts, *review.reference_group]
        return {"_id": review.review_id, "invited": invited, **review.model_dump(mode="json")}
