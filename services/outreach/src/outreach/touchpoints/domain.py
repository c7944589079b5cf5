"""Evidence that a cluster was reached, in tiers. Pure.

T0 (opens, impressions, scanners) never counts and is not stored. T1 informed: a relay took a mail, a partner's feed
lists it. T2 engaged: a deliberate act. T3 took part. T4 committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from outreach.csv_files.domain import CsvRow
from outreach.fields.domain import clean_text


class Tier(StrEnum):
    """How far a cluster came."""

    INFORMED = "informed"
    ENGAGED = "engaged"
    TOOK_PART = "took_part"
    COMMITTED = "committed"


RANK = {tier: rank for rank, tier in enumerate(Tier, 1)}
#: Kinds of touchpoints and the tier each is evidence of; None never counts.
TIER_OF_KIND: dict[str, Tier | None] = {
    "mail_opened": None,
    "feed_pull": Tier.INFORMED,
    "mail_accepted": Tier.INFORMED,
    "link_clicked": Tier.ENGAGED,
    "webinar_registered": Tier.ENGAGED,
    "curriculum_downloaded": Tier.ENGAGED,
    "interest_registered": Tier.ENGAGED,
    "reply_received": Tier.ENGAGED,
    "webinar_attended": Tier.TOOK_PART,
    "meeting": Tier.TOOK_PART,
    "application_submitted": Tier.COMMITTED,
    "partner_agreement": Tier.COMMITTED,
}
#: Entered by hand, these count only when a second person confirms them.
CONFIRMED_TIERS = frozenset({Tier.TOOK_PART, Tier.COMMITTED})

COLUMNS: dict[str, str | None] = {
    name: name for name in ("event_id", "type", "org_id", "contact_id", "at", "evidence", "actor")
}
REQUIRED = ("event_id", "type", "org_id", "at")


class TouchpointState(StrEnum):
    """Whether a touchpoint counts."""

    COUNTED = "counted"
    AWAITING_CONFIRMATION = "awaiting_confirmation"


@dataclass(frozen=True)
class ListedTouchpoint:
    """A row of an event list that can be evidence."""

    event_id: str
    organisation: str
    kind: str
    tier: Tier
    occurred_on: date
    evidence: str


def read_touchpoint(row: CsvRow) -> ListedTouchpoint | str:
    """A row as evidence, or why it is none."""
    if row.refused:
        return row.refused
    cells = {name: clean_text(cell) for name, cell in row.cells.items()}
    tier = TIER_OF_KIND.get(cells["type"])
    at = _moment(cells["at"])
    refusals = (
        (cells["type"] not in TIER_OF_KIND, "unknown_type"),
        (tier is None, "never_counts"),
        (cells.get("actor", "human") != "human", "not_a_deliberate_act"),
        (not cells["event_id"], "no_event_id"),
        (not cells["org_id"], "unknown_organisation"),
        (at is None, "time_not_understood"),
    )
    if (refused := next((reason for holds, reason in refusals if holds), None)) is not None:
        return refused
    assert tier is not None  # as refused above
    assert at is not None
    evidence = cells.get("evidence", "")[:300]
    return ListedTouchpoint(cells["event_id"][:80], cells["org_id"][:80], cells["type"], tier, at.date(), evidence)


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at


def first_state(tier: Tier, *, by_hand: bool, has_evidence: bool) -> TouchpointState:
    """Whether a touchpoint counts at once: what a log proves does, taking part that somebody claims does not."""
    if tier in CONFIRMED_TIERS and (by_hand or not has_evidence):
        return TouchpointState.AWAITING_CONFIRMATION
    return TouchpointState.COUNTED
