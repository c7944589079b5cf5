"""Appeals: a learner asks another person to look at the marks again."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from cme_kit.problems import Conflict, Unprocessable

from assessment.credits.domain import Mark
from assessment.plans.domain import Day, Record


class AppealState(StrEnum):
    """Whether, and how, an appeal was decided."""

    OPEN = "open"
    UPHELD = "upheld"
    DISMISSED = "dismissed"


class Decision(Record):
    """Who decided, when, why, and which marks it changed."""

    upheld: bool
    reason: str
    marks: list[Mark]
    decided_by: str
    institution_id: str | None
    decided_on: Day


class Appeal(Record):
    """An appeal against one assessment of a unit."""

    appeal_id: str
    credit_id: str
    attempt: int
    enrolment_id: str
    person_id: str
    plan_id: str
    grounds: str
    state: AppealState
    lodged_at: datetime
    decision: Decision | None = None


class AlreadyAppealed(Conflict):
    """Each assessment can be appealed against once."""

    code = "already_appealed"


class AlreadyDecided(Conflict):
    """The appeal is closed."""

    code = "wrong_state"


class DecisionDoesNotFit(Unprocessable):
    """An upheld appeal needs amended marks, a dismissed one has none."""

    code = "decision_does_not_fit"


def check_decision(*, upheld: bool, marks: list[Mark]) -> None:
    """Raise DecisionDoesNotFit unless marks come with an upheld appeal, and only then."""
    if upheld and not marks:
        raise DecisionDoesNotFit("Upholding an appeal changes marks: give the amended ones.")
    if not upheld and marks:
        raise DecisionDoesNotFit("A dismissed appeal changes no marks: leave them out.")
