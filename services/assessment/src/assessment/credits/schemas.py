"""Bodies of the credits API."""

from __future__ import annotations

from typing import Annotated

from cme_kit.schemas import LongText, Schema, ShortText, example
from pydantic import Field, StringConstraints

from assessment.credits.domain import Act, CitedAgreement, Credit, CreditState, MarkedOutcome, Superseded
from assessment.plans.domain import Day, RubricLevel
from assessment.plans.schemas import Level

Comment = Annotated[str, StringConstraints(max_length=5000)]


class NewMark(Schema):
    """A level for one learning outcome."""

    outcome_id: ShortText
    level: Level
    comment: Comment = ""


class NewAssessment(Schema):
    """Marks for every outcome of the unit."""

    model_config = example(
        marks=[{"outcome_id": "out_01k8z4m7qhe5tb3v9w2x6y0n1c", "level": 3, "comment": "Sound reasons, own examples"}],
        feedback="A convincing workshop. Say next time how you would measure its effect.",
        assessed_on="2026-11-20",
    )

    marks: list[NewMark] = Field(min_length=1, max_length=200, description="Every outcome of the unit, once")
    feedback: Comment = Field(default="", description="For the learner: strengths and what is missing")
    assessed_on: Day


class NewValidation(Schema):
    """Confirmation that the assessed outcomes match those the unit requires."""

    model_config = example(
        validated_on="2026-11-24", statement="All outcomes that the unit requires are assessed on evidence."
    )

    validated_on: Day
    statement: LongText = Field(description="What was confirmed, and on which ground")


class NewRecognition(Schema):
    """Official attestation of the outcomes."""

    model_config = example(recognised_on="2026-11-27")

    recognised_on: Day


class CreditView(Schema):
    """What a learner attained in a unit, and every step by which it became theirs."""

    credit_id: str
    enrolment_id: str
    person_id: str
    programme_id: str
    programme_version: int
    plan_id: str
    unit_id: str
    unit_code: str
    state: CreditState
    attempt: int = Field(description="Counted up by each assessment of new evidence")
    achieved: bool = Field(description="Whether all required outcomes are achieved")
    outcomes: list[MarkedOutcome]
    points: int = Field(description="ECVET points: the unit's when achieved, otherwise 0")
    points_targeted: int = Field(description="ECVET points of the unit")
    feedback: str
    evidence: list[str] = Field(description="sub_… that were assessed")
    agreement: CitedAgreement | None = Field(description="The learning agreement in force at the assessment")
    rubric: list[RubricLevel] = Field(description="The rubric of the assessment")
    assessed: Act
    validated: Act | None
    recognised: Act | None
    statement: str | None = Field(description="Of the validation")
    open_appeal_id: str | None = Field(description="An appeal that waits for its decision and blocks validation")
    appeal_decided_on: Day | None = Field(description="Day on which an appeal against these marks was decided")
    history: list[Superseded] = Field(description="Marks that were replaced, oldest first")
    revision: int

    @classmethod
    def of(cls, credit: Credit) -> CreditView:
        """The credit as callers see it."""
        fields = {name: value for name, value in credit if name != "cohort_id"}
        return cls(points=credit.points, **fields)
