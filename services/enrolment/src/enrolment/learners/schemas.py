"""Learners in the REST API."""

from datetime import date, datetime
from typing import Annotated, Self

from cme_kit.schemas import CalendarDay, Schema, example
from pydantic import BaseModel, Field, StringConstraints

from enrolment.learners.domain import Learner, LearnerState, WithdrawalReason


class NewWithdrawal(Schema):
    """A learner leaves before the end."""

    model_config = example(reason_code="job_change", note="", withdrawn_on="2026-10-16")

    reason_code: WithdrawalReason = Field(description="job_change, workload, health, personal or other")
    note: Annotated[str, StringConstraints(max_length=5000)] = Field(default="", description="For the coordinator only")
    withdrawn_on: CalendarDay = Field(description="Day from which it holds, not in the future")


class WithdrawalView(BaseModel):
    """That somebody left."""

    reason_code: WithdrawalReason
    withdrawn_on: date
    note: str | None = Field(default=None, description="Only for those who read all learners")


class LearnerView(BaseModel):
    """A learner of a cohort."""

    enrolment_id: str
    person_id: str
    organisation_id: str
    country: str
    state: LearnerState
    call_id: str
    cohort_id: str
    application_id: str
    programme_id: str
    programme_version: int
    enrolled_at: datetime
    withdrawal: WithdrawalView | None

    @classmethod
    def of(cls, learner: Learner, *, with_note: bool) -> Self:
        """The view of a learner."""
        withdrawal = None
        if learner.withdrawal is not None:
            left = learner.withdrawal
            withdrawal = WithdrawalView(
                reason_code=left.reason_code, withdrawn_on=left.withdrawn_on, note=left.note if with_note else None
            )
        return cls(withdrawal=withdrawal, **{key: value for key, value in learner if key in _SHOWN})


_SHOWN = frozenset(LearnerView.model_fields) - {"withdrawal"}
