"""Organisations in MongoDB."""

from cme_kit.mongo import Database, Document, DuplicateKeyError, Index, Session

from enrolment.organisations.schemas import OrganisationKind, OrganisationView

ORGANISATIONS = "organisations"
INDEXES = (
    Index(ORGANISATIONS, ("country", "name_key"), unique=True),
    Index(ORGANISATIONS, ("kind", "_id")),
)


def _view(document: Document) -> OrganisationView:
    return OrganisationView(organisation_id=document["_id"], **{key: document[key] for key in _FIELDS})


_FIELDS = ("name", "country", "kind", "website", "registered_at")


class OrganisationRepository:
    """Organisations by id, and no two of the same name in a country."""

    def __init__(self, database: Database) -> None:
        self._organisations = database.collection(ORGANISATIONS)

    async def add(self, organisation: OrganisationView, session: Session) -> bool:
        """Store a new organisation; False when the country has one of this name."""
        fields = organisation.model_dump(exclude={"organisation_id"})
        name_key = " ".join(organisation.name.casefold().split())
        try:
            await self._organisations.insert(
                {"_id": organisation.organisation_id, "name_key": name_key, **fields}, session=session
            )
        except DuplicateKeyError:
            return False
        return True

    async def find(self, organisation_id: str, session: Session | None = None) -> OrganisationView | None:
        """One organisation, or None."""
        found = await self._organisations.find_one({"_id": organisation_id}, session=session)
        return _view(found) if found else None

    async def known(self, organisation_ids: set[str], session: Session | None = None) -> set[str]:
        """Which of these ids are registered."""
        rows = await self._organisations.find(
            {"_id": {"$in": sorted(organisation_ids)}}, fields=["_id"], session=session
        )
        return {row["_id"] for row in rows}

    async def page(self, kind: OrganisationKind | None, after: str | None, limit: int) -> list[OrganisationView]:
        """Organisations after a cursor, oldest first."""
        filter_: Document = {"kind": kind.value} if kind else {}
        if after:
            filter_["_id"] = {"$gt": after}
        return [_view(row) for row in await self._organisations.find(filter_, sort=[("_id", 1)], limit=limit)]
