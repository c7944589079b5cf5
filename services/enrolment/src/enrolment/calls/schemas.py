"""Calls in the REST API."""

from datetime import date, datetime
from typing import Annotated, Self

from cme_kit.schemas import CalendarDay, CountryCode, LanguageMap, LongText, Moment, Schema, example
from pydantic import BaseModel, Field, StringConstraints, model_validator

from enrolment.calls.domain import Call, CallState, Quota

ProgrammeId = Annotated[str, StringConstraints(pattern=r"^prg_[0-9a-z]{26}$")]
Seats = Annotated[int, Field(strict=True, ge=1, le=1000)]
Count = Annotated[int, Field(strict=True, ge=0, le=1000)]


class NewQuota(Schema):
    """What one country holds."""

    country: CountryCode = Field(description="ISO 3166-1 alpha-2")
    minimum: Count = Field(default=0, description="Places kept for the best of this country")
    maximum: Count | None = Field(default=None, description="Most places of this country, none when left out")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.maximum is not None and self.maximum < self.minimum:
            raise ValueError("the maximum of a country is not below its minimum")
        return self


class NewCall(Schema):
    """A call for applications to one cohort of a published programme version."""

    model_config = example(
        title={"en": "Cohort 2026–27", "sv": "Kull 2026–27"},
        programme_id="prg_01k8z4m7qhe5tb3v9w2x6y0n1c",
        programme_version=1,
        seats=20,
        over_offer=2,
        opens_at="2026-03-02T08:00:00Z",
        closes_at="2026-05-31T22:00:00Z",
        starts_on="2026-09-07",
        quotas=[{"country": "LT", "minimum": 4, "maximum": 8}, {"country": "FI", "minimum": 4}],
    )

    title: LanguageMap = Field(description="Title by language")
    programme_id: ProgrammeId = Field(description="prg_… of the programme")
    programme_version: Annotated[int, Field(strict=True, ge=1)] = Field(description="A published version")
    seats: Seats = Field(description="Seats of the cohort")
    over_offer: Count = Field(default=0, description="Offers made beyond the seats, because some will decline")
    opens_at: Moment = Field(description="First moment for applications")
    closes_at: Moment = Field(description="Last moment for applications")
    starts_on: CalendarDay | None = Field(
        default=None, description="First day of the cohort; a withdrawal before it frees the seat for the waiting list"
    )
    quotas: list[NewQuota] = Field(default_factory=list, max_length=60, description="Places per country")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.closes_at <= self.opens_at:
            raise ValueError("a call closes after it opens")
        countries = [quota.country for quota in self.quotas]
        if len(set(countries)) != len(countries):
            raise ValueError("give each country one quota")
        if sum(quota.minimum for quota in self.quotas) > self.seats:
            raise ValueError("the minima of all countries together fit the seats")
        return self


class CallChange(Schema):
    """What may still change in a call."""

    model_config = example(closes_at="2026-06-14T22:00:00Z")

    closes_at: Moment = Field(description="New last moment for applications")


class NewExtension(Schema):
    """A decision to add seats."""

    model_config = example(seats=22, reason="Two partners pay for a seat more each.")

    seats: Seats = Field(description="Seats from now on, more than before")
    reason: LongText = Field(description="Why; it is shown in the call's history")


class ExtensionView(BaseModel):
    """A decision of the call's history."""

    seats_before: int
    seats_after: int
    reason: str
    decided_at: datetime


class CallView(BaseModel):
    """A call as everybody may see it."""

    call_id: str
    cohort_id: str
    title: dict[str, str]
    programme_id: str
    programme_version: int
    state: CallState
    seats: int
    seats_taken: int = Field(description="Accepted offers")
    over_offer: int
    offers_open: int = Field(description="Offers that wait for an answer")
    applications: int = Field(description="Applications received")
    quotas: list[Quota]
    opens_at: datetime
    closes_at: datetime
    starts_on: date | None
    history: list[ExtensionView] = Field(description="Decisions that added seats, oldest first")
    revision: int

    @classmethod
    def of(cls, call: Call, now: datetime) -> Self:
        """The view of a call at a moment."""
        return cls(
            state=call.state_at(now),
            seats_taken=call.seats_taken,
            history=[ExtensionView(**extension.model_dump(exclude={"decided_by"})) for extension in call.extensions],
            **{key: value for key, value in call if key in _SHOWN},
        )


_SHOWN = frozenset(CallView.model_fields) - {"state", "seats_taken", "history"}
