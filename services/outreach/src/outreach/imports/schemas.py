"""Shapes of the import API."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class Counts(BaseModel):
    """Rows by what happens to them."""

    create: int = Field(description="Rows that become a new entry, flagged or not")
    merge: int = Field(description="Rows that join an entry: two keys agree")
    review: int = Field(description="Rows with a question for a person")
    reject: int = Field(description="Rows that cannot be read")


class ImportView(BaseModel):
    """What an import did, or would do."""

    import_id: str
    dry_run: bool
    source: str
    obtained_from: str | None
    encoding: str = Field(description="How the file was read")
    delimiter: str
    rows: int
    counts: Counts
    outcomes: dict[str, int] = Field(description="Rows by exact outcome, such as create_flag or reject_contact")
    rows_url: str
    created_at: datetime


class ImportRowView(BaseModel):
    """What happens to one row of the file."""

    row: int = Field(description="Number of the record, from 1 after the header")
    external_id: str
    outcome: str
    reasons: list[str]
    cluster_id: str | None
    review_ids: list[str]
