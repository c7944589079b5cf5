"""Bodies of the offering endpoints."""

from datetime import UTC, date, datetime, time
from typing import Annotated

from cme_kit.schemas import CalendarDay, CountryCode, LanguageCode, LanguageMap, Moment, Schema, ShortText
from pydantic import AfterValidator, Field, StringConstraints

from curriculum.offerings.domain import Mode
from curriculum.profiles.schemas import Code


def _end_of_day(value: datetime | date) -> datetime:
    return value if isinstance(value, datetime) else datetime.combine(value, time(23, 59, 59), UTC)


#: A moment, or a day, which then means its last second in UTC.
Deadline = Annotated[Moment | CalendarDay, AfterValidator(_end_of_day)]
WebAddress = Annotated[str, StringConstraints(pattern=r"^https://[^\s<>\"]+$", max_length=500)]


class NewPlace(Schema):
    """Where a session is held."""

    name: ShortText = Field(description="Name of the house")
    city: ShortText = Field(description="City")
    country: CountryCode = Field(description="ISO 3166-1 alpha-2")


class NewSession(Schema):
    """A dated part of an offering."""

    unit_code: Code = Field(description="Code of the unit it belongs to")
    title: LanguageMap = Field(description="Title by language")
    mode: Mode = Field(description="onsite or online")
    starts_at: Moment = Field(description="With a time zone")
    ends_at: Moment = Field(description="With a time zone")
    place: NewPlace | None = Field(default=None, description="Needed on site")
    url: WebAddress | None = Field(default=None, description="Public https address of an online session")


class NewOffering(Schema):
    """A dated run of a programme version."""

    programme_id: str = Field(max_length=60, description="prg_…")
    version: int = Field(strict=True, ge=1, description="A published version of it")
    code: Code = Field(description="Short code within the programme, such as 2026-27")
    title: LanguageMap = Field(description="Title by language")
    starts_on: CalendarDay = Field(description="First day")
    ends_on: CalendarDay = Field(description="Last day")
    seats: int = Field(strict=True, ge=1, le=10_000, description="Seats")
    application_deadline: Deadline = Field(description="Last moment for applications, or last day")
    language: LanguageCode = Field(description="Language of teaching")
    sessions: list[NewSession] = Field(default_factory=list, max_length=200, description="Its sessions")


class Cancellation(Schema):
    """Why an offering does not take place."""

    reason: ShortText = Field(description="For those who harvested it")
