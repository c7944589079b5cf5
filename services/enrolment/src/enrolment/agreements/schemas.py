"""Learning agreements in the REST API."""

from datetime import date, datetime
from typing import Annotated, Self

from cme_kit.schemas import CalendarDay, LongText, Schema, ShortText, example
from pydantic import BaseModel, Field, StringConstraints, model_validator

from enrolment.agreements.domain import (
    AgreedAssessment,
    AgreedRecognition,
    AgreedUnit,
    Agreement,
    AgreementState,
    Approval,
    PastVersion,
    Role,
)
from enrolment.organisations.schemas import OrganisationId

UnitId = Annotated[str, StringConstraints(pattern=r"^unt_[0-9a-z]{26}$")]


class NewUnit(Schema):
    """A unit and what the learner does for it."""

    unit_id: UnitId = Field(description="unt_… of the learner's programme version")
    activities: list[LongText] = Field(min_length=1, max_length=50, description="What the learner does: tasks, courses")


class NewAssessment(Schema):
    """How outcomes are assessed."""

    method: LongText = Field(description="Method and criteria")
    responsible: ShortText = Field(description="Who answers for it")


class NewRecognition(Schema):
    """How the home organisation recognises."""

    method: LongText = Field(description="How validated outcomes become recognised")


class NewTerms(Schema):
    """What learner, home and host agree on."""

    model_config = example(
        home_organisation_id="org_01k8z4m7qhe5tb3v9w2x6y0n1c",
        host_organisation_id="org_01k8z4m7qhe5tb3v9w2x6y0n1d",
        units=[
            {
                "unit_id": "unt_01k8z4m7qhe5tb3v9w2x6y0n1c",
                "activities": ["Plans and leads a workshop of three clusters"],
            }
        ],
        starts_on="2026-09-07",
        ends_on="2026-11-30",
        assessment={"method": "Workshop and peer assessment, by the rubric of the plan", "responsible": "Hyper Island"},
        recognition={"method": "Validated outcomes are recognised in full within four weeks"},
    )

    home_organisation_id: OrganisationId = Field(description="org_… that sends the learner")
    host_organisation_id: OrganisationId = Field(description="org_… that receives the learner")
    units: list[NewUnit] = Field(min_length=1, max_length=100, description="Units agreed upon")
    starts_on: CalendarDay = Field(description="First day")
    ends_on: CalendarDay = Field(description="Last day")
    assessment: NewAssessment
    recognition: NewRecognition

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.ends_on < self.starts_on:
            raise ValueError("an agreement ends on or after the day it starts")
        if self.home_organisation_id == self.host_organisation_id:
            raise ValueError("home and host are two organisations")
        if len({unit.unit_id for unit in self.units}) != len(self.units):
            raise ValueError("name each unit once")
        return self


ContentHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class NewApproval(Schema):
    """Approving exactly what you read."""

    model_config = example(content_hash="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")

    content_hash: ContentHash = Field(description="The content_hash of the agreement you read")


class AgreementView(BaseModel):
    """A learning agreement in its current version."""

    agreement_id: str
    enrolment_id: str
    person_id: str
    programme_id: str
    programme_version: int
    version: int
    revision: int
    state: AgreementState
    content_hash: str
    home_organisation_id: str
    host_organisation_id: str
    units: list[AgreedUnit]
    starts_on: date
    ends_on: date
    assessment: AgreedAssessment
    recognition: AgreedRecognition
    approvals: list[Approval]
    awaited: list[Role] = Field(description="Who has yet to approve this version")
    version_in_force: int | None = Field(description="The last version that all three approved")
    in_force_since: datetime | None
    proposed_at: datetime
    history: list[PastVersion] = Field(description="Replaced versions with the approvals they had, oldest first")

    @classmethod
    def of(cls, agreement: Agreement) -> Self:
        """The view of an agreement."""
        terms = dict(agreement.terms)
        shown = {key: value for key, value in agreement if key in cls.model_fields}
        return cls(state=agreement.state, awaited=agreement.awaited, **terms, **shown)
