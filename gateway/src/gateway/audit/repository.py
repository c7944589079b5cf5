"""The audit trail: entries by their number, and the head that the next one follows."""

from __future__ import annotations

from typing import Any

from cme_kit.mongo import Database, Document, Index, Session

from gateway.audit.domain import GENESIS, Entry

ENTRIES = "audit_entries"
HEADS = "audit_heads"
INDEXES = (Index(ENTRIES, ("actor", "_id")), Index(ENTRIES, ("subject", "_id")), Index(ENTRIES, ("act", "_id")))


class AuditRepository:
    """Appends and reads; there is no way to change or remove."""

    def __init__(self, database: Database) -> None:
        self._entries = database.collection(ENTRIES)
        self._heads = database.collection(HEADS)

    async def head(self, session: Session | None = None) -> tuple[int, str]:
        """Number and hash of the newest entry."""
        row = await self._heads.find_one({"_id": "head"}, session)
        return (row["number"], row["hash"]) if row else (0, GENESIS)

    async def append(self, entry: Entry, session: Session) -> None:
        """Store an entry and move the head; two writers at once conflict, and one begins again."""
        row: Document = {**vars(entry), "_id": entry.number}
        del row["number"]
        head = {"$set": {"number": entry.number, "hash": entry.hash}}
        await self._heads.update({"_id": "head"}, head, upsert=True, session=session)
        await self._entries.insert(row, session=session)

    async def page(self, filters: dict[str, str], before: int | None, limit: int) -> list[Entry]:
        """Entries that match, newest first, below a number, one more than `limit`."""
        found: dict[str, Any] = {**filters, **({"_id": {"$lt": before}} if before is not None else {})}
        rows = await self._entries.find(found, sort=[("_id", -1)], limit=limit + 1)
        return [_entry(row) for row in rows]


def _entry(row: Document) -> Entry:
    return Entry(number=row["_id"], **{key: value for key, value in row.items() if key != "_id"})
