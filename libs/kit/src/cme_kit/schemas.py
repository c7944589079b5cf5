"""Shapes that every API shares: strict models, language maps, pages of a list."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

LANGUAGES = ("en", "sv", "fi", "lt", "de")


class Schema(BaseModel):
    """A body of the REST API: unknown fields are refused, numbers are finite, texts are trimmed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_strip_whitespace=True)


def example(**fields: Any) -> ConfigDict:
    """The `model_config` of a body, with an example of it for the API's document."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


def _languages(value: dict[str, str]) -> dict[str, str]:
    unknown = sorted(set(value) - set(LANGUAGES))
    if unknown:
        raise ValueError(f"write languages as {', '.join(LANGUAGES)}, not {', '.join(unknown)}")
    if "en" not in value:
        raise ValueError("give at least English (en)")
    return value


def _utc(value: datetime) -> datetime:
    try:
        moment = value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("give a time between the years 1 and 9999 in UTC") from error
    # To the millisecond, which is what MongoDB keeps: what is answered now is what will be read later.
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _written_as(form: re.Pattern[str], example: str, kind: type[date]) -> BeforeValidator:
    """Refuses what pydantic would read as a date beside ISO 8601: seconds since 1970, as a number or in digits."""

    def check(value: Any) -> Any:
        # A record of ours is made again from its own values.
        if type(value) is kind or (isinstance(value, str) and form.match(value)):
            return value
        raise ValueError(f"write it as {example}")

    return BeforeValidator(check)


#: A text says something: blanks alone are trimmed to nothing. The pattern tells that to those who read the schema,
#: also in dialects that do not count U+0085 as a blank.
_SAYS_SOMETHING = r"[^\s\u0085]"
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_SAYS_SOMETHING)]
LongText = Annotated[str, StringConstraints(min_length=1, max_length=5000, pattern=_SAYS_SOMETHING)]
CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
LanguageCode = Annotated[str, StringConstraints(pattern=r"^(en|sv|fi|lt|de)$")]
LanguageMap = Annotated[
    dict[str, LongText],
    AfterValidator(_languages),
    WithJsonSchema(
        {
            "type": "object",
            "description": "A text in languages, English at least",
            "properties": {
                language: {"type": "string", "minLength": 1, "maxLength": 5000, "pattern": _SAYS_SOMETHING}
                for language in LANGUAGES
            },
            "required": ["en"],
            "additionalProperties": False,
        }
    ),
]
#: A day of the calendar, `full-date` of RFC 3339.
CalendarDay = Annotated[date, _written_as(re.compile(r"^\d{4}-\d{2}-\d{2}$"), "2026-09-01", date)]
#: A moment with its offset, `date-time` of RFC 3339.
Moment = Annotated[
    AwareDatetime,
    AfterValidator(_utc),
    _written_as(re.compile(r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}"), "2026-09-01T10:00:00Z", datetime),
]

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """A part of a list. Ask for the rest with `?after=<next>` (also in the Link header, RFC 8288)."""

    items: list[Item] = Field(description="The records, oldest first unless the endpoint says otherwise")
    next: str | None = Field(default=None, description="Cursor of the next page, null at the end")
