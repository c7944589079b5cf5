"""The personal transcript: targeted against achieved outcomes, unit by unit, on the pinned programme version."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum

from assessment.credits.domain import Act, CitedAgreement, Credit, CreditState
from assessment.plans.domain import Outcome, Plan, Record


class UnitState(StrEnum):
    """How far a learner is with a unit."""

    NOT_STARTED = "not_started"
    SUBMITTED = "submitted"
    ASSESSED = "assessed"
    VALIDATED = "validated"
    RECOGNISED = "recognised"


class AchievedOutcome(Record):
    """A targeted outcome that was achieved, with its level."""

    outcome_id: str
    code: str
    kind: str
    required: bool
    level: int


class Acts(Record):
    """The steps taken so far."""

    assessed: Act | None = None
    validated: Act | None = None
    recognised: Act | None = None


class TranscriptUnit(Record):
    """One unit of a transcript."""

    unit_id: str
    code: str
    module: int
    title: dict[str, str]
    state: UnitState
    credit_id: str | None
    points_targeted: int
    points_gained: int
    targeted_outcomes: list[Outcome]
    achieved_outcomes: list[AchievedOutcome]
    missing: list[Outcome]
    agreement: CitedAgreement | None
    acts: Acts


def transcript_units(
    plans: Sequence[Plan], credit_records: Sequence[Credit], units_with_evidence: Collection[str]
) -> list[TranscriptUnit]:
    """The units of a version with what a learner has of each.

    Points are gained by recognition only, and only units that were assessed show outcomes or acts.
    """
    by_unit = {credit.unit_id: credit for credit in credit_records}
    return [_unit(plan, by_unit.get(plan.unit_id), plan.unit_id in units_with_evidence) for plan in plans]


def _unit(plan: Plan, credit: Credit | None, has_evidence: bool) -> TranscriptUnit:
    achieved = [outcome for outcome in credit.outcomes if outcome.achieved] if credit else []
    achieved_ids = {outcome.outcome_id for outcome in achieved}
    if credit is not None:
        state = UnitState(credit.state)
        acts = Acts(assessed=credit.assessed, validated=credit.validated, recognised=credit.recognised)
    else:
        state = UnitState.SUBMITTED if has_evidence else UnitState.NOT_STARTED
        acts = Acts()
    return TranscriptUnit(
        unit_id=plan.unit_id,
        code=plan.unit_code,
        module=plan.module,
        title=plan.title,
        state=state,
        credit_id=credit.credit_id if credit else None,
        points_targeted=plan.points,
        points_gained=credit.points if credit and credit.state is CreditState.RECOGNISED else 0,
        targeted_outcomes=plan.outcomes,
        achieved_outcomes=[AchievedOutcome.model_validate(outcome.model_dump()) for outcome in achieved],
        missing=[outcome for outcome in plan.outcomes if outcome.outcome_id not in achieved_ids],
        agreement=credit.agreement if credit else None,
        acts=acts,
    )
