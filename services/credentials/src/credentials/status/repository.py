"""Status lists as documents: their set bits and the signed credential that states them."""

from __future__ import annotations

from dataclasses import dataclass

from cme_kit.mongo import Database, Index, Session

LISTS = "status_lists"
#: Written by whoever restores this database from a backup.
RESTORATIONS = "restorations"
#: Lists are read by their number, which is `_id`.
INDEXES: tuple[Index, ...] = ()


@dataclass(frozen=True)
class StatusList:
    """One list: the revoked indexes and the signed text that is published."""

    number: int
    revoked: tuple[int, ...]
    signed: str


class StatusListRepository:
    """The lists by their number."""

    def __init__(self, database: Database) -> None:
        self._lists = database.collection(LISTS)
        self._restorations = database.collection(RESTORATIONS)

    async def highest(self) -> int:
        """The number of the newest list, 0 without any."""
        newest = await self._lists.find_one({}, sort=[("_id", -1)])
        return int(newest["_id"]) if newest else 0

    async def first_after_restoration(self) -> int:
        """The lowest number that a list may have which still gives out places, 0 when nothing was ever restored.

        Lists below it may have given places that a backup does not know of.
        """
        newest = await self._restorations.find_one({}, sort=[("first_list", -1)])
        return int(newest["first_list"]) if newest else 0

    async def find(self, number: int, session: Session | None = None) -> StatusList | None:
        """A list, or None."""
        row = await self._lists.find_one({"_id": number}, session=session)
        return StatusList(row["_id"], tuple(row["revoked"]), row["signed"]) if row else None

    async def create(self, number: int, signed: str) -> None:
        """Publish an empty list unless it is there."""
        empty = {"$setOnInsert": {"revoked": [], "signed": signed}}
        await self._lists.update({"_id": number}, empty, upsert=True)

    async def revoke(self, number: int, index: int, signed: str, session: Session) -> None:
        """Set a bit and publish the list that says so; concurrent revocations collide on this document."""
        change = {"$addToSet": {"revoked": index}, "$set": {"signed": signed}}
        await self._lists.update({"_id": number}, change, session=session)
