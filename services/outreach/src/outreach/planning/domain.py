"""Planning an import: which entry each row becomes or joins. Pure, so that a dry run is the real thing unsaved."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from outreach.directory.domain import Agreement, Directory
from outreach.imports.domain import Doubt, Outcome, ReadRow


@dataclass(frozen=True)
class PlannedReview:
    """A question for a person: are two entries one (`identity`), or what is the value of a field (`value`)."""

    kind: str
    fingerprint: str
    doubt: Doubt | None = None


@dataclass(frozen=True)
class PlannedRow:
    """What will happen to a row. `cluster_id` is the entry it becomes, joins or may be the same as."""

    row: ReadRow
    outcome: Outcome
    reasons: tuple[str, ...]
    cluster_id: str | None
    creates: bool
    reviews: tuple[PlannedReview, ...] = ()


def plan_import(
    rows: Iterable[ReadRow],
    directory: Directory,
    is_suppressed: Callable[[str], bool],
    asked_before: Collection[str],
    next_id: Callable[[], str],
) -> list[PlannedRow]:
    """Decide on every row in order; each row sees the entries that the rows before it made."""
    asked = set(asked_before)
    return [_plan(row, directory, is_suppressed, asked, next_id) for row in rows]


def _plan(
    row: ReadRow,
    directory: Directory,
    is_suppressed: Callable[[str], bool],
    asked: set[str],
    next_id: Callable[[], str],
) -> PlannedRow:
    if row.refused is not None:
        return PlannedRow(row, Outcome.REJECT_ROW, (row.refused,), None, creates=False)
    if any(is_suppressed(contact.address) for contact in row.contacts):
        row.note("address_suppressed", Outcome.CREATE_NO_MAIL)
    keys = row.keys()
    match, found = directory.best_match(keys)
    if match is Agreement.DOUBTFUL and found is not None:
        return _ask_identity(row, found, asked)
    merges = match is Agreement.SAME and found is not None
    if match is Agreement.SHARED_DOMAIN:
        row.note("shares_its_domain_with_another_cluster")
    cluster_id = found if merges and found is not None else next_id()
    # What a merge does not take over needs no decision: the entry's own name stands.
    doubts = [doubt for doubt in row.doubts if not (merges and doubt.field in ("name", "name_en"))]
    directory.add(cluster_id, keys)
    reviews = _ask_values(cluster_id, doubts, asked)
    reasons = [*row.reasons, *(doubt.reason for doubt in doubts)]
    outcome = Outcome.REVIEW if reviews else Outcome.MERGE if merges else row.severity
    return PlannedRow(row, outcome, tuple(reasons), cluster_id, not merges, tuple(reviews))


def _ask_identity(row: ReadRow, candidate: str, asked: set[str]) -> PlannedRow:
    mark = fingerprint("identity", candidate, *sorted(row.keys().names), *sorted(c.address for c in row.contacts))
    reviews = () if mark in asked else (PlannedReview("identity", mark),)
    asked.add(mark)
    reasons = ("one_key_agrees_with_an_entry", *(() if reviews else ("asked_before",)), *row.reasons)
    return PlannedRow(row, Outcome.REVIEW, reasons, candidate, creates=False, reviews=reviews)


def _ask_values(cluster_id: str, doubts: Iterable[Doubt], asked: set[str]) -> list[PlannedReview]:
    reviews = []
    for doubt in doubts:
        mark = fingerprint("value", cluster_id, doubt.field, doubt.value)
        if mark not in asked:
            asked.add(mark)
            reviews.append(PlannedReview("value", mark, doubt))
    return reviews


def fingerprint(*parts: str) -> str:
    """Names a question, so that the same file imported twice asks it once."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
