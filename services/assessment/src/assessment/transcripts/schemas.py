"""Answers of the transcripts API."""

from __future__ import annotations

from cme_kit.schemas import Schema
from pydantic import Field

from assessment.learners.domain import LearnerState
from assessment.plans.domain import Day
from assessment.transcripts.domain import TranscriptUnit


class PinnedProgramme(Schema):
    """The programme version that the learner follows to the end."""

    programme_id: str
    version: int
    content_hash: str = Field(description="SHA-256 of the content that was voted on and published")
    title: dict[str, str]


class Transcript(Schema):
    """What a learner targeted and attained (ECVET personal transcript)."""

    enrolment_id: str
    person_id: str
    state: LearnerState
    withdrawn_on: Day | None
    programme: PinnedProgramme
    agreement_version: int | None = Field(description="Of the learning agreement that was approved last")
    units: list[TranscriptUnit] = Field(description="In the order of the modules")
    points_targeted: int
    points_gained: int = Field(description="Of recognised units")
    completed: bool = Field(description="Whether every unit is recognised")
    completed_on: Day | None = Field(description="Day of the last recognition")


class CreditCounts(Schema):
    """Credits by the last step that was taken."""

    assessed: int = Field(description="Assessed, not validated yet")
    validated: int = Field(description="Validated, not recognised yet")
    recognised: int


class Progress(Schema):
    """How far a cohort is."""

    cohort_id: str
    enrolled: int = Field(description="Learners who take part, those who completed included")
    withdrawn: int
    completed: int
    credits: CreditCounts
