"""Organisations as enrolment announced them: who may be given a duty in a plan."""

from __future__ import annotations

from collections.abc import Iterable

from cme_kit.mongo import Database, Index, Session

COLLECTION = "institutions"
#: Read by `_id` only.
INDEXES: tuple[Index, ...] = ()


class InstitutionRepository:
    """The read model of organisations."""

    def __init__(self, database: Database) -> None:
        self._rows = database.collection(COLLECTION)

    async def keep(self, organisation_id: str, name: str, country: str, session: Session) -> None:
        """Remember an organisation, or its new name."""
        change = {"$set": {"name": name, "country": country}}
        await self._rows.update({"_id": organisation_id}, change, upsert=True, session=session)

    async def unknown_of(self, organisation_ids: Iterable[str], session: Session) -> set[str]:
        """Those of the ids that no organisation here has."""
        wanted = set(organisation_ids)
        found = await self._rows.find({"_id": {"$in": sorted(wanted)}}, fields=["_id"], session=session)
        return wanted - {str(row["_id"]) for row in found}
