"""The indicator "clusters made aware": a frozen definition and a pure fold over the evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from outreach.touchpoints.domain import RANK, Tier

INDICATOR = "clusters-aware"
VERSION = 1
TARGET = 100
COUNTS_FROM = Tier.ENGAGED
DEFINITION = (
    "Distinct cluster organisations with at least one counted touchpoint of tier engaged or higher. An organisation "
    "counts once, at its highest tier, on the first day of that tier. Opens, impressions and requests of scanners never "
    "count. by_tier counts the organisations that reached at least that tier; informed includes those whose mail was "
    "accepted by the relay."
)


@dataclass(frozen=True)
class Fact:
    """One piece of evidence."""

    cluster_id: str
    tier: Tier
    on: date
    evidence_id: str


@dataclass(frozen=True)
class Awareness:
    """One organisation's standing."""

    cluster_id: str
    tier: Tier
    first_on: date
    touchpoint_ids: tuple[str, ...]


def standings(facts: Iterable[Fact]) -> dict[str, Awareness]:
    """Each organisation at its highest tier since its first day there, with all its evidence."""
    by_cluster: dict[str, list[Fact]] = {}
    for fact in facts:
        by_cluster.setdefault(fact.cluster_id, []).append(fact)
    found = {}
    for cluster_id, own in by_cluster.items():
        tier = max((fact.tier for fact in own), key=RANK.__getitem__)
        first_on = min(fact.on for fact in own if fact.tier is tier)
        found[cluster_id] = Awareness(cluster_id, tier, first_on, tuple(sorted({fact.evidence_id for fact in own})))
    return found


def reached(standing: Awareness, tier: Tier) -> bool:
    """Whether an organisation came at least that far."""
    return RANK[standing.tier] >= RANK[tier]


def by_tier(found: Iterable[Awareness]) -> dict[str, int]:
    """How many organisations reached at least each tier."""
    counted = list(found)
    return {tier.value: sum(reached(standing, tier) for standing in counted) for tier in Tier}


def by_country(countries: Iterable[str | None]) -> dict[str, int]:
    """How many organisations per country; `unknown` for those without one."""
    return dict(sorted(Counter(country or "unknown" for country in countries).items()))
