"""Shapes that every API shares: strict models, language maps, pages of a list."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

LANGUAGES = ("en", "sv", "fi", "lt", "de")


class Schema(BaseModel):
    """A body of the REST API: unknown fields are refused, numbers are finite, texts are trimmed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_strip_whitespace=True)


def _languages(value: dict[str, str]) -> dict[str, str]:
    unknown = sorted(set(value) - set(LANGUAGES))
    if unknown:
        raise ValueError(f"write languages as {', '.join(LANGUAGES)}, not {', '.join(unknown)}")
    if "en" not in value:
        raise ValueError("give at least English (en)")
    return value


def _utc(value: datetime) -> datetime:
    # To the millisecond, which is what MongoDB keeps: what is answered now is what will be read later.
    return value.astimezone(UTC).replace(microsecond=value.microsecond // 1000 * 1000)


ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200)]
LongText = Annotated[str, StringConstraints(min_length=1, max_length=5000)]
CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
LanguageCode = Annotated[str, StringConstraints(pattern=r"^(en|sv|fi|lt|de)$")]
LanguageMap = Annotated[dict[str, LongText], AfterValidator(_languages)]
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """A part of a list. Ask for the rest with `?after=<next>` (also in the Link header, RFC 8288)."""

    items: list[Item] = Field(description="The records, oldest first unless the endpoint says otherwise")
    next: str | None = Field(default=None, description="Cursor of the next page, null at the end")
