"""Bodies of the appeals API."""

from __future__ import annotations

from datetime import datetime

from cme_kit.schemas import LongText, Schema
from pydantic import Field, StrictBool

from assessment.appeals.domain import Appeal, AppealState, Decision
from assessment.credits.schemas import NewMark
from assessment.plans.domain import Day


class NewAppeal(Schema):
    """Why the marks should be looked at again."""

    grounds: LongText


class NewDecision(Schema):
    """The decision on an appeal."""

    upheld: StrictBool
    reason: LongText
    marks: list[NewMark] = Field(default=[], max_length=200, description="Amended marks, when upheld; others stay")
    decided_on: Day


class AppealView(Schema):
    """An appeal and its decision."""

    appeal_id: str
    credit_id: str
    attempt: int = Field(description="Which assessment of the unit it is against")
    enrolment_id: str
    person_id: str
    grounds: str
    state: AppealState
    lodged_at: datetime
    decision: Decision | None

    @classmethod
    def of(cls, appeal: Appeal) -> AppealView:
        """The appeal as callers see it."""
        return cls(**{name: value for name, value in appeal if name != "plan_id"})
