"""A learner of a cohort. Pure."""

from datetime import datetime
from enum import StrEnum

from enrolment.calls.domain import Call, Day, Fact
from enrolment.offers.domain import Offer


class LearnerState(StrEnum):
    """Whether somebody still learns."""

    ENROLLED = "enrolled"
    WITHDRAWN = "withdrawn"


class WithdrawalReason(StrEnum):
    """Why learners leave."""

    JOB_CHANGE = "job_change"
    WORKLOAD = "workload"
    HEALTH = "health"
    PERSONAL = "personal"
    OTHER = "other"


class Withdrawal(Fact):
    """That somebody left, from when and why."""

    reason_code: WithdrawalReason
    note: str
    withdrawn_on: Day
    recorded_by: str
    recorded_at: datetime


class Learner(Fact):
    """A person who took a seat. The programme version stays the same to the end."""

    enrolment_id: str
    offer_id: str
    application_id: str
    call_id: str
    cohort_id: str
    person_id: str
    organisation_id: str
    country: str
    programme_id: str
    programme_version: int
    state: LearnerState = LearnerState.ENROLLED
    enrolled_at: datetime
    withdrawal: Withdrawal | None = None


def enrol(enrolment_id: str, offer: Offer, call: Call, now: datetime) -> Learner:
    """The learner that an accepted offer makes."""
    return Learner(
        enrolment_id=enrolment_id,
        offer_id=offer.offer_id,
        application_id=offer.application_id,
        call_id=call.call_id,
        cohort_id=call.cohort_id,
        person_id=offer.person_id,
        organisation_id=offer.organisation_id,
        country=offer.country,
        programme_id=call.programme_id,
        programme_version=call.programme_version,
        enrolled_at=now,
    )
