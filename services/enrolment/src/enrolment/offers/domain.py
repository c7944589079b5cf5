"""An offer of a seat and its life. Pure."""

from datetime import datetime
from enum import StrEnum

from enrolment.calls.domain import Fact


class OfferState(StrEnum):
    """Where an offer is in its life."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"


class Offer(Fact):
    """A seat offered to an applicant; each application gets at most one."""

    offer_id: str
    application_id: str
    call_id: str
    person_id: str
    organisation_id: str
    country: str
    state: OfferState = OfferState.OPEN
    offered_at: datetime
    answer_by: datetime
    answered_at: datetime | None = None
    reason: str | None = None
    enrolment_id: str | None = None

    def state_at(self, now: datetime) -> OfferState:
        """The state at a moment: an unanswered offer is expired from its last moment on, swept or not."""
        if self.state is OfferState.OPEN and now > self.answer_by:
            return OfferState.EXPIRED
        return self.state
