"""Bodies of the offering endpoints."""

from datetime import UTC, date, datetime, time
from typing import Annotated

from cme_kit.schemas import CalendarDay, CountryCode, LanguageCode, LanguageMap, Moment, Schema, ShortText, example
from pydantic import AfterValidator, Field, StringConstraints

from curriculum.offerings.domain import Mode
from curriculum.profiles.schemas import Code


def _end_of_day(value: datetime | date) -> datetime:
    return value if isinstance(value, datetime) else datetime.combine(value, time(23, 59, 59), UTC)


#: A moment, or a day, which then means its last second in UTC.
Deadline = Annotated[Moment | CalendarDay, AfterValidator(_end_of_day)]
WebAddress = Annotated[str, StringConstraints(pattern=r'^https://[^\s<>"]+$', max_length=500)]


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

    model_config = example(
        programme_id="prg_01k8z4m7qhe5tb3v9w2x6y0n1c",
        version=1,
        code="2026-27",
        title={"en": "Cluster Manager 2026–27", "lt": "Klasterio vadovas 2026–27"},
        starts_on="2026-09-07",
        ends_on="2027-06-11",
        seats=20,
        application_deadline="2026-05-31",
        language="en",
        sessions=[
            {
                "unit_code": "M1",
                "title": {"en": "Opening days in Stockholm"},
                "mode": "onsite",
                "starts_at": "2026-09-07T09:00:00+02:00",
                "ends_at": "2026-09-09T16:00:00+02:00",
                "place": {"name": "Hyper Island", "city": "Stockholm", "country": "SE"},
            }
        ],
    )

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

    model_config = example(reason="Too few applications")

    reason: ShortText = Field(description="For those who harvested it")
