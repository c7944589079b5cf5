"""Bodies of the plans API."""

from __future__ import annotations

from typing import Annotated

from cme_kit.schemas import LanguageMap, Schema, ShortText, example
from pydantic import Field, StrictBool

from assessment.plans.domain import Day, Outcome, Plan, RubricLevel

Level = Annotated[int, Field(strict=True, ge=0, le=100, description="A level of the plan's rubric")]


class NewRubricLevel(Schema):
    """One level of a rubric."""

    level: Level
    label: ShortText
    achieved: StrictBool = Field(description="Whether a mark of this level achieves the outcome")


class PlanChange(Schema):
    """The part of a plan that coordinators decide; the rest comes from the published programme."""

    model_config = example(
        method={"en": "Facilitated workshop and peer assessment", "sv": "Ledd workshop och kamratbedömning"},
        rubric=[
            {"level": 0, "label": "Not shown", "achieved": False},
            {"level": 1, "label": "Shown", "achieved": True},
            {"level": 2, "label": "Shown with distinction", "achieved": True},
        ],
        due_on="2026-11-15",
        assessing_institution_id="org_01k8z4m7qhe5tb3v9w2x6y0n1c",
        validating_institution_id="org_01k8z4m7qhe5tb3v9w2x6y0n1d",
        recognising_institution_id="org_01k8z4m7qhe5tb3v9w2x6y0n1e",
    )

    method: LanguageMap
    rubric: list[NewRubricLevel] = Field(min_length=2, max_length=11, description="From the lowest level up")
    due_on: Day | None = Field(default=None, description="Evidence handed in after this day is marked late")
    assessing_institution_id: ShortText
    validating_institution_id: ShortText
    recognising_institution_id: ShortText = Field(description="Another institution than the assessing one")


class PlanView(Schema):
    """How a unit of a programme version is assessed."""

    plan_id: str
    programme_id: str
    version: int = Field(description="Version of the programme")
    unit_id: str
    unit_code: str
    module: int
    title: dict[str, str]
    points: int = Field(description="ECVET points of the unit")
    outcomes: list[Outcome]
    method: dict[str, str]
    rubric: list[RubricLevel]
    due_on: Day | None
    assessing_institution_id: str | None = Field(description="Null until a coordinator named it")
    validating_institution_id: str | None
    recognising_institution_id: str | None
    revision: int

    @classmethod
    def of(cls, plan: Plan) -> PlanView:
        """The plan as callers see it."""
        return cls(**dict(plan))
