"""Offers in MongoDB."""

from datetime import datetime

from cme_kit.mongo import Database, Document, Index, Session

from enrolment.offers.domain import Offer, OfferState

OFFERS = "offers"
INDEXES = (
    Index(OFFERS, ("application_id",), unique=True),
    Index(OFFERS, ("call_id",)),
    Index(OFFERS, ("person_id", "_id")),
    Index(OFFERS, ("state", "answer_by")),
)


def _offer(document: Document) -> Offer:
    return Offer(offer_id=document["_id"], **{key: value for key, value in document.items() if key != "_id"})


class OfferRepository:
    """Offers by id, by call and by person."""

    def __init__(self, database: Database) -> None:
        self._offers = database.collection(OFFERS)

    async def add(self, offers: list[Offer], session: Session) -> None:
        """Store new offers."""
        documents = [{"_id": offer.offer_id, **offer.model_dump(exclude={"offer_id"})} for offer in offers]
        await self._offers.insert_many(documents, session=session)

    async def find(self, offer_id: str, session: Session | None = None) -> Offer | None:
        """One offer, or None."""
        found = await self._offers.find_one({"_id": offer_id}, session=session)
        return _offer(found) if found else None

    async def page_of_person(self, person_id: str, after: str | None, limit: int) -> list[Offer]:
        """Offers to a person after a cursor, oldest first."""
        filter_: Document = {"person_id": person_id}
        if after:
            filter_["_id"] = {"$gt": after}
        return [_offer(row) for row in await self._offers.find(filter_, sort=[("_id", 1)], limit=limit)]

    async def ids_of_call(self, call_id: str) -> dict[str, str]:
        """The offer of each application of a call that has one."""
        rows = await self._offers.find({"call_id": call_id}, fields=["application_id"])
        return {row["application_id"]: row["_id"] for row in rows}

    async def due(self, now: datetime, limit: int) -> list[Offer]:
        """Open offers whose time to answer is over, longest first."""
        filter_ = {"state": OfferState.OPEN.value, "answer_by": {"$lt": now}}
        return [_offer(row) for row in await self._offers.find(filter_, sort=[("answer_by", 1)], limit=limit)]

    async def answer(
        self,
        offer_id: str,
        state: OfferState,
        now: datetime,
        session: Session,
        *,
        reason: str | None = None,
        enrolment_id: str | None = None,
    ) -> Offer | None:
        """End an open offer; None when it is not open."""
        answered = {"state": state.value, "answered_at": now, "reason": reason, "enrolment_id": enrolment_id}
        filter_ = {"_id": offer_id, "state": OfferState.OPEN.value}
        changed = await self._offers.change(filter_, {"$set": answered}, session=session)
        return _offer(changed) if changed else None

    async def end_for(self, person_id: str, now: datetime, session: Session) -> None:
        """Let a person's open offers run out now, and forget why others were declined."""
        filter_ = {"person_id": person_id, "state": OfferState.OPEN.value, "answer_by": {"$gt": now}}
        await self._offers.update_many(filter_, {"$set": {"answer_by": now}}, session=session)
        await self._offers.update_many({"person_id": person_id}, {"$set": {"reason": None}}, session=session)
