"""Credit: the ECVET chain of one unit for one learner: assessed -> validated -> recognised.

ECVET Recommendation 2009/C 155/02, annex II: assessment establishes which outcomes were attained, validation confirms
that they match those the unit requires, recognition officially attests them. No step is skipped, each names who acted,
for which institution and when, and each is another person's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum

from cme_kit.problems import Conflict, FieldError, Forbidden, Unprocessable
from pydantic import Field

from assessment.plans.domain import Day, Outcome, Record, RubricLevel


class CreditState(StrEnum):
    """The last step that was taken."""

    ASSESSED = "assessed"
    VALIDATED = "validated"
    RECOGNISED = "recognised"


#: The one state from which each step may be taken; assessment may be repeated while nothing followed it.
BEFORE: Mapping[CreditState, CreditState] = {
    CreditState.ASSESSED: CreditState.ASSESSED,
    CreditState.VALIDATED: CreditState.ASSESSED,
    CreditState.RECOGNISED: CreditState.VALIDATED,
}


class Act(Record):
    """One step: who, for which institution, on which day."""

    actor_id: str
    institution_id: str
    on: Day


class Mark(Record):
    """A level given for one outcome."""

    outcome_id: str
    level: int
    comment: str = ""


class MarkedOutcome(Record):
    """An outcome of the unit with its mark."""

    outcome_id: str
    code: str
    kind: str
    required: bool
    level: int
    achieved: bool
    comment: str


class CitedAgreement(Record):
    """The agreement in force when the unit was assessed."""

    agreement_id: str
    version: int
    content_hash: str


class Superseded(Record):
    """Marks that a later assessment or an appeal replaced: kept, never overwritten."""

    attempt: int
    replaced_by: str
    replaced_at: datetime
    appeal_id: str | None = None
    achieved: bool
    outcomes: list[MarkedOutcome]
    feedback: str
    evidence: list[str]
    assessed: Act


class Credit(Record):
    """What one learner attained in one unit."""

    credit_id: str
    enrolment_id: str
    person_id: str
    cohort_id: str
    programme_id: str
    programme_version: int
    plan_id: str
    unit_id: str
    unit_code: str
    points_targeted: int
    state: CreditState
    attempt: int
    achieved: bool
    outcomes: list[MarkedOutcome]
    feedback: str
    evidence: list[str]
    agreement: CitedAgreement | None
    rubric: list[RubricLevel]
    assessed: Act
    validated: Act | None = None
    recognised: Act | None = None
    statement: str | None = None
    open_appeal_id: str | None = None
    appeal_decided_on: Day | None = None
    history: list[Superseded] = Field(default_factory=list)
    revision: int = 1

    @property
    def points(self) -> int:
        """ECVET points: the unit's when all required outcomes are achieved, otherwise none."""
        return self.points_targeted if self.achieved else 0

    @property
    def achieved_outcome_ids(self) -> list[str]:
        """The outcomes that were achieved, also when others are missing."""
        return [outcome.outcome_id for outcome in self.outcomes if outcome.achieved]

    @property
    def last_day(self) -> date:
        """The day of the last thing that happened to the credit."""
        days = [act.on for act in (self.assessed, self.validated, self.recognised) if act]
        return max([*days, self.appeal_decided_on] if self.appeal_decided_on else days)


class UnfitMarks(Unprocessable):
    """Marks that do not fit the unit's outcomes or the rubric."""

    code = "marks_do_not_fit"


class DateOutOfOrder(Unprocessable):
    """A day in the future, or before the previous step."""

    code = "date_out_of_order"


class WrongState(Conflict):
    """The step does not follow the state of the credit."""

    code = "wrong_state"


class NotAchieved(Conflict):
    """A required outcome is missing."""

    code = "not_achieved"


class AppealOpen(Conflict):
    """An appeal against the marks waits for its decision."""

    code = "appeal_open"


class SeparationOfDuties(Forbidden):
    """The caller already acted on this credit, or is its learner."""

    code = "separation_of_duties"


class PersonNeeded(Forbidden):
    """An act of the chain is a person's, not a system's."""

    code = "person_needed"


def mark_outcomes(
    outcomes: Sequence[Outcome], rubric: Sequence[RubricLevel], marks: Sequence[Mark]
) -> list[MarkedOutcome]:
    """Every outcome of the unit with its mark, in the unit's order.

    Raises UnfitMarks naming each outcome that is missing, unknown or marked twice, and each level that the rubric
    does not have.
    """
    given = {mark.outcome_id: mark for mark in marks}
    errors = _unfit(marks, {outcome.outcome_id for outcome in outcomes}, rubric)
    errors += [
        FieldError(field="body.marks", code="outcome_missing", detail=f"mark {outcome.code} ({outcome.outcome_id}) too")
        for outcome in outcomes
        if outcome.outcome_id not in given
    ]
    if errors:
        raise UnfitMarks("Mark every outcome of the unit exactly once, by a level of its rubric.", errors=errors)
    achieving = {step.level for step in rubric if step.achieved}
    return [
        MarkedOutcome(
            outcome_id=outcome.outcome_id,
            code=outcome.code,
            kind=outcome.kind,
            required=outcome.required,
            level=given[outcome.outcome_id].level,
            achieved=given[outcome.outcome_id].level in achieving,
            comment=given[outcome.outcome_id].comment,
        )
        for outcome in outcomes
    ]


def amend_outcomes(
    outcomes: Sequence[MarkedOutcome], rubric: Sequence[RubricLevel], marks: Sequence[Mark]
) -> list[MarkedOutcome]:
    """The marked outcomes with some marks raised by an appeal.

    Raises UnfitMarks for an unknown outcome or level, for a lower mark, and when nothing changes.
    """
    before = {outcome.outcome_id: outcome for outcome in outcomes}
    errors = _unfit(marks, set(before), rubric)
    errors += [
        FieldError(field=f"body.marks.{place}.level", code="mark_lowered", detail="an appeal never lowers a mark")
        for place, mark in enumerate(marks)
        if mark.outcome_id in before and mark.level < before[mark.outcome_id].level
    ]
    if errors:
        raise UnfitMarks("Give amended marks for outcomes of the unit, by levels of its rubric.", errors=errors)
    if all(mark.level == before[mark.outcome_id].level for mark in marks):
        raise UnfitMarks("An upheld appeal changes at least one mark; to change none, decide against it.")
    achieving = {step.level for step in rubric if step.achieved}
    amended = {
        mark.outcome_id: {"level": mark.level, "achieved": mark.level in achieving, "comment": mark.comment}
        for mark in marks
    }
    return [outcome.model_copy(update=amended.get(outcome.outcome_id, {})) for outcome in outcomes]


def _unfit(marks: Sequence[Mark], outcome_ids: set[str], rubric: Sequence[RubricLevel]) -> list[FieldError]:
    levels = {step.level for step in rubric}
    errors = []
    seen: set[str] = set()
    for place, mark in enumerate(marks):
        field = f"body.marks.{place}"
        if mark.outcome_id not in outcome_ids:
            errors.append(FieldError(field=f"{field}.outcome_id", code="outcome_unknown", detail="not of this unit"))
        if mark.outcome_id in seen:
            errors.append(FieldError(field=f"{field}.outcome_id", code="outcome_twice", detail="mark it once"))
        if mark.level not in levels:
            detail = f"the rubric has {', '.join(map(str, sorted(levels)))}"
            errors.append(FieldError(field=f"{field}.level", code="level_unknown", detail=detail))
        seen.add(mark.outcome_id)
    return errors


def is_achieved(outcomes: Sequence[MarkedOutcome]) -> bool:
    """Whether all required outcomes are achieved: only then the unit has points."""
    return all(outcome.achieved for outcome in outcomes if outcome.required)


def check_day(field: str, day: date, today: date, not_before: date | None = None) -> None:
    """Raise DateOutOfOrder for a day after today (UTC) or before the previous step's."""
    if day > today:
        detail = f"not after today, {today} (UTC)"
    elif not_before is not None and day < not_before:
        detail = f"not before the previous step's day, {not_before}"
    else:
        return
    error = FieldError(field=f"body.{field}", code="day_out_of_order", detail=detail)
    raise DateOutOfOrder(f"The day has to be {detail}.", errors=[error])


def check_step(credit: Credit, step: CreditState) -> None:
    """Raise WrongState, NotAchieved or AppealOpen unless the credit may take this step now."""
    if credit.state is not BEFORE[step]:
        raise WrongState(f"This credit is {credit.state}; it cannot become {step} now.")
    if step is not CreditState.ASSESSED and not credit.achieved:
        raise NotAchieved("A required outcome of the unit is missing; the learner may hand in new evidence.")
    if step is CreditState.ASSESSED and credit.achieved:
        raise WrongState("This unit is achieved already.")
    if credit.open_appeal_id is not None:
        raise AppealOpen("The learner appealed against the marks; the appeal has to be decided first.")


def check_actor(person_id: str, learner_id: str, acts: Sequence[Act | None]) -> None:
    """Raise SeparationOfDuties when a person is the learner or took one of these steps."""
    if person_id == learner_id:
        raise SeparationOfDuties("Nobody acts on credit of their own.")
    if any(act is not None and act.actor_id == person_id for act in acts):
        raise SeparationOfDuties("You took an earlier step on this credit; this one is another person's.")


def check_recognising(credit: Credit, institution_id: str) -> None:
    """Raise SeparationOfDuties when the recognising institution assessed the credit.

    The plan separates them, but it may have changed since the assessment.
    """
    if credit.assessed.institution_id == institution_id:
        raise SeparationOfDuties("The institution that assessed this credit cannot recognise it.")


def superseded(credit: Credit, replaced_by: str, at: datetime, appeal_id: str | None = None) -> Superseded:
    """The credit's present marks as an entry of its history."""
    return Superseded(
        attempt=credit.attempt,
        replaced_by=replaced_by,
        replaced_at=at,
        appeal_id=appeal_id,
        achieved=credit.achieved,
        outcomes=credit.outcomes,
        feedback=credit.feedback,
        evidence=credit.evidence,
        assessed=credit.assessed,
    )
