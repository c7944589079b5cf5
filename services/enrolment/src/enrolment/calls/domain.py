"""Rules of a call: its window, its seats and what each country may hold. Pure."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

#: A day, stored as text: MongoDB has no dates without a time.
Day = Annotated[date, PlainSerializer(date.isoformat)]


class Fact(BaseModel):
    """A frozen record of the domain; what a newer release stored besides is left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class CallState(StrEnum):
    """Where a call is in its life."""

    SCHEDULED = "scheduled"
    OPEN = "open"
    CLOSED = "closed"
    SELECTED = "selected"


class Quota(Fact):
    """How many places one country holds at least (when it has eligible applications) and at most."""

    country: str
    minimum: int = 0
    maximum: int | None = None


class Extension(Fact):
    """A decision to add seats."""

    seats_before: int
    seats_after: int
    reason: str
    decided_by: str
    decided_at: datetime


class SelectionRound(Fact):
    """When the selection was made and how long the offers ran."""

    made_at: datetime
    made_by: str
    answer_by: datetime


class Call(Fact):
    """A call for applications and the seats of its cohort.

    `seats_left` and `offers_open` are changed only with the offers they count, in one transaction: this document is
    what every acceptance, refusal and expiry touches, so no two of them can pass the last seat.
    """

    call_id: str
    cohort_id: str
    title: dict[str, str]
    programme_id: str
    programme_version: int
    seats: int
    seats_left: int
    over_offer: int
    offers_open: int = 0
    #: Places that each country holds: open offers and accepted ones.
    held: dict[str, int] = Field(default_factory=dict)
    applications: int = 0
    quotas: list[Quota]
    opens_at: datetime
    closes_at: datetime
    starts_on: Day | None = None
    extensions: list[Extension] = Field(default_factory=list)
    selection: SelectionRound | None = None
    revision: int = 1

    @property
    def seats_taken(self) -> int:
        """Accepted seats."""
        return self.seats - self.seats_left

    @property
    def places_to_offer(self) -> int:
        """How many offers would fill the cohort if everybody who holds an open offer accepted."""
        return max(0, self.seats_left - self.offers_open)

    def state_at(self, now: datetime) -> CallState:
        """Where the call is at a moment."""
        if self.selection is not None:
            return CallState.SELECTED
        if now < self.opens_at:
            return CallState.SCHEDULED
        return CallState.OPEN if now <= self.closes_at else CallState.CLOSED

    def frees_seat(self, withdrawn_on: date) -> bool:
        """Whether a withdrawal on this day comes before the start, so that somebody else can begin."""
        return self.starts_on is not None and withdrawn_on < self.starts_on
