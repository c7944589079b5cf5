"""Where offerings are kept."""

from __future__ import annotations

from cme_kit.mongo import Database, Document, DuplicateKeyError, Index
from cme_kit.mongo import Session as Transactional

from curriculum.offerings.domain import Offering, OfferingState

OFFERINGS = "offerings"
INDEXES = (
    Index(OFFERINGS, ("programme_id", "code"), unique=True),
    Index(OFFERINGS, ("programme_id", "_id")),
)


class CodeTakenError(Exception):
    """Another offering of the programme has this code."""


class OfferingRepository:
    """Stores and finds offerings."""

    def __init__(self, database: Database) -> None:
        self._offerings = database.collection(OFFERINGS)

    async def add(self, offering: Offering, session: Transactional) -> None:
        """Store a new offering. Raises CodeTakenError."""
        try:
            await self._offerings.insert(self._document(offering), session)
        except DuplicateKeyError as error:
            raise CodeTakenError(offering.code) from error

    async def find(self, offering_id: str, session: Transactional | None = None) -> Offering | None:
        """The offering with this id."""
        found = await self._offerings.find_one({"_id": offering_id}, session)
        return Offering.model_validate(found) if found else None

    async def page(self, after: str | None, limit: int, programme_id: str | None) -> list[Offering]:
        """Offerings after a cursor, oldest first, of one programme or of all."""
        wanted: Document = {"_id": {"$gt": after}} if after else {}
        if programme_id:
            wanted["programme_id"] = programme_id
        found = await self._offerings.find(wanted, sort=[("_id", 1)], limit=limit)
        return [Offering.model_validate(row) for row in found]

    async def replace(self, offering: Offering, session: Transactional) -> bool:
        """Store the next revision; False when somebody else was faster. Raises CodeTakenError."""
        former = {
            "_id": offering.offering_id,
            "revision": offering.revision - 1,
            "state": OfferingState.PUBLISHED,
        }
        try:
            return await self._offerings.replace(former, self._document(offering), session=session) == 1
        except DuplicateKeyError as error:
            raise CodeTakenError(offering.code) from error

    @staticmethod
    def _document(offering: Offering) -> Document:
        return {"_id": offering.offering_id, **offering.model_dump(mode="json")}
