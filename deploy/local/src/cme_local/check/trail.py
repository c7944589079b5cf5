"""Invariants of the gateway's audit trail: no entry was changed, removed or put in."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.domain import Entry, breaks

from cme_local.check.records import Document, Records
from cme_local.check.report import Invariant, invariant


def trail(records: Records) -> Invariant:
    """Each entry against the one before it, and the last one against the head."""
    rows = sorted(records.of("gateway", "audit_entries"), key=lambda row: row["_id"])
    text = "Each entry of the audit trail follows the one before it unchanged, and the last one is the newest"
    return invariant("audit_trail", text, len(rows), list(_broken(rows, records.of("gateway", "audit_heads"))))


def _broken(rows: list[Document], heads: list[Document]) -> Iterator[str]:
    before: Entry | None = None
    for row in rows:
        entry = Entry(number=row["_id"], **{name: value for name, value in row.items() if name != "_id"})
        if wrong := breaks(entry, before):
            yield f"{entry.number}: {wrong}"
        before = entry
    newest = (heads[0]["number"], heads[0]["hash"]) if heads else None
    if newest != ((before.number, before.hash) if before else None):
        yield f"{newest[0] if newest else 0}: the newest entry is not the last one here"


INVARIANTS = (trail,)
