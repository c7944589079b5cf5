"""Offerings: dated runs of a published programme version, with their sessions."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Self

from cme_kit.problems import FieldError
from pydantic import BaseModel, ConfigDict, Field


class OfferingState(StrEnum):
    """An offering takes place, or was cancelled."""

    PUBLISHED = "published"
    CANCELLED = "cancelled"


class Mode(StrEnum):
    """How a session is held."""

    ONSITE = "onsite"
    ONLINE = "online"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Place(_Frozen):
    """Where a session is held."""

    name: str = Field(description="Name of the house")
    city: str = Field(description="City")
    country: str = Field(description="ISO 3166-1 alpha-2")


class Session(_Frozen):
    """A dated part of an offering."""

    unit_code: str = Field(description="Code of the unit it belongs to")
    title: dict[str, str] = Field(description="Title by language")
    mode: Mode = Field(description="onsite or online")
    starts_at: datetime = Field(description="UTC")
    ends_at: datetime = Field(description="UTC")
    place: Place | None = Field(default=None, description="Where, when it is on site")
    url: str | None = Field(default=None, description="Where, when it is online and the address is public")


class Offering(_Frozen):
    """A dated run of a programme version."""

    offering_id: str = Field(description="off_…")
    revision: int = Field(description="Counts every change; the ETag to send as If-Match")
    state: OfferingState = Field(description="published or cancelled")
    programme_id: str = Field(description="prg_…")
    version: int = Field(description="The version that is taught")
    code: str = Field(description="Short code within the programme, such as 2026-27")
    title: dict[str, str] = Field(description="Title by language")
    starts_on: date = Field(description="First day")
    ends_on: date = Field(description="Last day")
    seats: int = Field(description="Seats")
    application_deadline: datetime = Field(description="Last moment for applications, UTC")
    language: str = Field(description="Language of teaching")
    sessions: list[Session] = Field(description="Its sessions, in order of time")
    cancellation_reason: str | None = Field(default=None, description="Why it does not take place")
    created_at: datetime = Field(description="UTC")
    updated_at: datetime = Field(description="UTC")

    def cancelled(self, reason: str, now: datetime) -> Self:
        """The same offering, cancelled."""
        return self.model_copy(
            update={
                "state": OfferingState.CANCELLED,
                "cancellation_reason": reason,
                "revision": self.revision + 1,
                "updated_at": now,
            }
        )


def offering_faults(offering: Offering, unit_codes: Collection[str]) -> list[FieldError]:
    """Every rule that an offering breaks: its dates, its sessions' units, times and places."""
    faults = []

    def fault(field: str, code: str, detail: str) -> None:
        faults.append(FieldError(field=f"body.{field}", code=code, detail=detail))

    if offering.ends_on < offering.starts_on:
        fault("ends_on", "before_start", "The last day cannot be before the first.")
    if offering.application_deadline.date() > offering.ends_on:
        fault("application_deadline", "after_end", "Applications cannot close after the last day.")
    # A day of slack on both sides: days are local, moments are UTC.
    first, last = offering.starts_on - timedelta(days=1), offering.ends_on + timedelta(days=1)
    for index, session in enumerate(offering.sessions):
        place = f"sessions.{index}"
        if session.unit_code not in unit_codes:
            fault(f"{place}.unit_code", "unknown_unit", f"The version has the units {', '.join(sorted(unit_codes))}.")
        if session.ends_at <= session.starts_at:
            fault(f"{place}.ends_at", "before_start", "A session ends after it starts.")
        if session.starts_at.date() < first or session.ends_at.date() > last:
            fault(f"{place}.starts_at", "outside_the_offering", "The session lies outside the offering's days.")
        if session.mode is Mode.ONSITE and session.place is None:
            fault(f"{place}.place", "missing", "Say where the session is held.")
        if session.mode is Mode.ONLINE and session.place is not None:
            fault(f"{place}.place", "not_on_site", "An online session has no place.")
    return faults
