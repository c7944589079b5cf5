"""Shapes of the touchpoint API."""

from __future__ import annotations

from datetime import date, datetime

from cme_kit.schemas import CalendarDay, LongText, Schema, ShortText, example
from pydantic import BaseModel, Field

from outreach.touchpoints.domain import Tier, TouchpointState


class Evidence(Schema):
    """Where the occurrence can be checked."""

    kind: ShortText = Field(description="Such as minutes, attendance_list, reply")
    reference: ShortText = Field(description="A file's hash, a URL, a record's id")
    note: LongText | None = None


class NewTouchpoint(Schema):
    """Something that happened with a cluster, entered by hand."""

    model_config = example(
        cluster_id="clu_01k8z4m7qhe5tb3v9w2x6y0n1c",
        tier="took_part",
        kind="webinar",
        occurred_on="2026-10-14",
        evidence={
            "kind": "attendance_list",
            "reference": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        },
    )

    cluster_id: str
    tier: Tier
    kind: ShortText = Field(description="What happened, such as meeting")
    occurred_on: CalendarDay
    evidence: Evidence


class TouchpointView(BaseModel):
    """A touchpoint."""

    touchpoint_id: str
    cluster_id: str
    tier: Tier
    kind: str
    occurred_on: date
    evidence: Evidence
    origin: str = Field(description="manual, import, interest_page or enrolment")
    state: TouchpointState
    recorded_by: str
    recorded_at: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None


class TouchpointImportRow(BaseModel):
    """What happened to one row of an event list."""

    row: int
    event_id: str
    outcome: str = Field(description="recorded, repeated or ignored")
    reason: str | None
    touchpoint_id: str | None


class TouchpointImport(BaseModel):
    """What importing an event list did."""

    recorded: int
    repeated: int = Field(description="Rows whose occurrence was recorded before")
    ignored: int = Field(description="Rows that are no evidence: opens, scanners, unknown organisations")
    rows: list[TouchpointImportRow]
