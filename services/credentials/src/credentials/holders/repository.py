"""People and organisations as other services stated them."""

from __future__ import annotations

from dataclasses import dataclass

from cme_kit.mongo import Database, Index, Session

PEOPLE = "people"
ORGANISATIONS = "organisations"
#: Both are read by id only.
INDEXES: tuple[Index, ...] = ()


@dataclass(frozen=True)
class Holder:
    """A person; name and e-mail are None once erased."""

    person_id: str
    name: str | None
    email: str | None


class HolderRepository:
    """People and organisations by id."""

    def __init__(self, database: Database) -> None:
        self._people = database.collection(PEOPLE)
        self._organisations = database.collection(ORGANISATIONS)

    async def find(self, person_id: str, session: Session | None = None) -> Holder | None:
        """A person, or None when nothing was heard of them."""
        row = await self._people.find_one({"_id": person_id}, session=session)
        return Holder(person_id, row.get("name"), row.get("email")) if row else None

    async def keep(self, holder: Holder, session: Session) -> None:
        """Keep the latest name and e-mail."""
        row = {"_id": holder.person_id, "name": holder.name, "email": holder.email}
        await self._people.replace({"_id": holder.person_id}, row, upsert=True, session=session)

    async def erase(self, person_id: str, session: Session) -> None:
        """Delete name and e-mail; what stays says only that they were deleted."""
        await self._people.replace({"_id": person_id}, {"_id": person_id, "erased": True}, upsert=True, session=session)

    async def keep_organisation(self, organisation_id: str, name: str, session: Session) -> None:
        """Keep the latest name of an organisation."""
        row = {"_id": organisation_id, "name": name}
        await self._organisations.replace({"_id": organisation_id}, row, upsert=True, session=session)

    async def organisation_names(self, organisation_ids: set[str], session: Session | None = None) -> dict[str, str]:
        """The names of organisations, as far as known."""
        rows = await self._organisations.find({"_id": {"$in": sorted(organisation_ids)}}, session=session)
        return {row["_id"]: row["name"] for row in rows}
