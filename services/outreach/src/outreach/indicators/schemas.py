"""Shapes of the indicator API."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, Field

from outreach.touchpoints.domain import Tier


class ClustersAware(BaseModel):
    """The indicator with everything needed to read it."""

    indicator: str
    version: int
    definition: str
    target: int
    value: int
    by_tier: dict[str, int] = Field(description="Organisations that reached at least each tier")
    by_country: dict[str, int] = Field(description="Aware organisations per country")
    as_of: datetime
    evidence_url: str


class AwareCluster(BaseModel):
    """One organisation that counts, with its evidence."""

    cluster_id: str
    name: str
    country: str | None
    tier: Tier
    first_on: date
    touchpoint_ids: list[str]
