"""Imports, their rows and the questions they raised, in MongoDB."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from cme_kit.mongo import Database, Document, Index, Session
from pydantic import BaseModel, ConfigDict

IMPORTS = "imports"
ROWS = "import_rows"
INDEXES = (Index(ROWS, ("import_id", "row"), unique=True),)


class Import(BaseModel):
    """One file that was read; the file itself is not kept."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    import_id: str
    dry_run: bool
    source: str
    obtained_from: str | None
    encoding: str
    delimiter: str
    counts: dict[str, int]
    outcomes: dict[str, int]
    created_at: datetime
    created_by: str


class ImportRow(BaseModel):
    """What happened to one row; its cells are not kept."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    row: int
    external_id: str
    outcome: str
    reasons: list[str]
    cluster_id: str | None
    review_ids: list[str]


class ImportRepository:
    """Reads and writes imports."""

    def __init__(self, database: Database) -> None:
        self._imports = database.collection(IMPORTS)
        self._rows = database.collection(ROWS)

    async def add(self, made: Import, rows: Sequence[ImportRow], session: Session) -> None:
        """Store an import with its report."""
        await self._imports.insert({"_id": made.import_id, **made.model_dump(exclude={"import_id"})}, session=session)
        await self._rows.insert_many(
            [{"_id": f"{made.import_id}:{row.row}", "import_id": made.import_id, **row.model_dump()} for row in rows],
            session=session,
        )

    async def find(self, import_id: str) -> Import | None:
        """An import by its id."""
        row = await self._imports.find_one({"_id": import_id})
        return Import.model_validate({**row, "import_id": row["_id"]}) if row else None

    async def rows(self, import_id: str, outcomes: Collection[str], after: int, limit: int) -> list[ImportRow]:
        """The report in the order of the file, one more than `limit` when there are."""
        chosen: Document = {"import_id": import_id, "row": {"$gt": after}}
        if outcomes:
            chosen["outcome"] = {"$in": list(outcomes)}
        return [
            ImportRow.model_validate(row) for row in await self._rows.find(chosen, sort=[("row", 1)], limit=limit + 1)
        ]
