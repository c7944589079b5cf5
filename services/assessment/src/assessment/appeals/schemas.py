"""Bodies of the appeals API."""

from __future__ import annotations

from datetime import datetime

from cme_kit.schemas import LongText, Schema, example
from pydantic import Field, StrictBool

from assessment.appeals.domain import Appeal, AppealState, Decision
from assessment.credits.schemas import NewMark
from assessment.plans.domain import Day


class NewAppeal(Schema):
    """Why the marks should be looked at again."""

    model_config = example(
        grounds="The facilitation plan that I handed in on 12 November is not mentioned in the comment on outcome M1-S1."
    )

    grounds: LongText


class NewDecision(Schema):
    """The decision on an appeal."""

    model_config = example(
        upheld=True,
        reason="The plan was handed in on time and shows the outcome at level 3.",
        marks=[{"outcome_id": "out_01k8z4m7qhe5tb3v9w2x6y0n1c", "level": 3, "comment": "Shown in the plan"}],
        decided_on="2026-12-04",
    )

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
