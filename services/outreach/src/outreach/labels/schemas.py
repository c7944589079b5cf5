"""Shapes of the label API."""

from __future__ import annotations

from datetime import date, datetime

from cme_kit.schemas import CalendarDay, Schema, example
from pydantic import BaseModel, Field, HttpUrl

from outreach.labels.domain import AwardKind, Level


class NewLabel(Schema):
    """A label that a cluster was awarded."""

    model_config = example(
        level="silver", awarded_on="2025-03-18", evidence_url="https://labels.example/silver/4711", kind="first"
    )

    level: Level
    awarded_on: CalendarDay = Field(description="A day of the interview's month")
    evidence_url: HttpUrl = Field(description="Where the award can be seen")
    kind: AwardKind


class LabelView(BaseModel):
    """A label with its validity and renewal window."""

    label_id: str
    cluster_id: str
    level: Level
    kind: AwardKind
    awarded_on: date = Field(description="First day of the interview's month")
    valid_until: date
    renew_from: date
    renew_until: date
    evidence_url: str
    recorded_at: datetime
    recorded_by: str


class LabelList(BaseModel):
    """A cluster's labels."""

    items: list[LabelView]
