"""Learning agreements in MongoDB."""

from cme_kit.mongo import Database, Document, Index, Session

from enrolment.agreements.domain import Agreement

AGREEMENTS = "agreements"
INDEXES = (
    Index(AGREEMENTS, ("enrolment_id", "_id")),
    Index(AGREEMENTS, ("person_id", "_id")),
    Index(AGREEMENTS, ("terms.home_organisation_id", "_id")),
    Index(AGREEMENTS, ("terms.host_organisation_id", "_id")),
)


def _agreement(document: Document) -> Agreement:
    return Agreement(agreement_id=document["_id"], **{key: value for key, value in document.items() if key != "_id"})


def _document(agreement: Agreement) -> Document:
    return {"_id": agreement.agreement_id, **agreement.model_dump(exclude={"agreement_id"})}


class AgreementRepository:
    """Agreements by id, by learner and by party."""

    def __init__(self, database: Database) -> None:
        self._agreements = database.collection(AGREEMENTS)

    async def add(self, agreement: Agreement, session: Session) -> None:
        """Store a new agreement."""
        await self._agreements.insert(_document(agreement), session=session)

    async def find(self, agreement_id: str, session: Session | None = None) -> Agreement | None:
        """One agreement, or None."""
        found = await self._agreements.find_one({"_id": agreement_id}, session=session)
        return _agreement(found) if found else None

    async def page(
        self, enrolment_id: str | None, party: tuple[str, str | None] | None, after: str | None, limit: int
    ) -> list[Agreement]:
        """Agreements after a cursor, oldest first: of one learner, of one party (person, organisation), or both."""
        filter_: Document = {"enrolment_id": enrolment_id} if enrolment_id else {}
        if party:
            person_id, organisation_id = party
            filter_["$or"] = [{"person_id": person_id}]
            if organisation_id:
                filter_["$or"] += [{f"terms.{side}_organisation_id": organisation_id} for side in ("home", "host")]
        if after:
            filter_["_id"] = {"$gt": after}
        return [_agreement(row) for row in await self._agreements.find(filter_, sort=[("_id", 1)], limit=limit)]

    async def replace(self, agreement: Agreement, revision: int, session: Session) -> bool:
        """Store the next state of an agreement; False when it is no longer at this revision."""
        filter_ = {"_id": agreement.agreement_id, "revision": revision}
        return await self._agreements.replace(filter_, _document(agreement), session=session) == 1
