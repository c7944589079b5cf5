"""Learners: what they follow, which agreements cover them, what is recognised, and who may see it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from enum import StrEnum

from cme_kit.auth import Principal
from pydantic import Field

from assessment.plans.domain import Day, Record

#: Scopes of the people who assess, validate, recognise or decide appeals for an institution.
DUTY_SCOPES = (
    "assessment.marks:write",
    "assessment.credits:validate",
    "assessment.credits:recognise",
    "assessment.appeals:decide",
)


class LearnerState(StrEnum):
    """Whether a learner takes part."""

    ENROLLED = "enrolled"
    WITHDRAWN = "withdrawn"


class Agreement(Record):
    """A version of a learning agreement that learner, home and host approved."""

    agreement_id: str
    version: int
    content_hash: str
    unit_ids: list[str]


class RecognisedUnit(Record):
    """A unit whose points are the learner's."""

    unit_id: str
    credit_id: str
    points: int
    on: Day


class Learner(Record):
    """One person on one programme version.

    Every change to a learner's record (evidence, assessment, recognition, withdrawal, erasure) writes this document,
    so that no two of them can decide on what the other is changing.
    """

    enrolment_id: str
    person_id: str
    cohort_id: str
    programme_id: str
    programme_version: int
    state: LearnerState = LearnerState.ENROLLED
    withdrawn_on: Day | None = None
    agreements: list[Agreement] = Field(default_factory=list)
    recognised: list[RecognisedUnit] = Field(default_factory=list)
    completed_on: Day | None = None
    erased: bool = False


def with_agreement(agreements: Sequence[Agreement], approved: Agreement) -> list[Agreement]:
    """The agreements in force after `approved` came: it replaces older versions of itself, never a newer one."""
    others = [agreement for agreement in agreements if agreement.agreement_id != approved.agreement_id]
    known = [agreement for agreement in agreements if agreement.agreement_id == approved.agreement_id]
    return [*others, max([*known, approved], key=lambda agreement: agreement.version)]


def agreement_covering(learner: Learner, unit_id: str) -> Agreement | None:
    """The agreement in force for a unit, the latest when several cover it."""
    covering = [agreement for agreement in learner.agreements if unit_id in agreement.unit_ids]
    return covering[-1] if covering else None


def completion_day(recognised: Sequence[RecognisedUnit], unit_ids: Collection[str]) -> date | None:
    """The day of the last recognition once every unit of the version is recognised, else None."""
    if not unit_ids or not set(unit_ids) <= {unit.unit_id for unit in recognised}:
        return None
    return max(unit.on for unit in recognised)


def oversees(principal: Principal) -> bool:
    """Whether a caller sees every learner: coordinators, and systems that act for no single organisation."""
    return principal.may("assessment.plans:write") or (not principal.is_person and principal.organisation_id is None)


def has_duty(principal: Principal) -> bool:
    """Whether a caller acts for an institution in assessing, validating, recognising or deciding."""
    if principal.organisation_id is None:
        return False
    return not principal.is_person or any(principal.may(scope) for scope in DUTY_SCOPES)


def owns(principal: Principal, person_id: str) -> bool:
    """Whether the caller is this person."""
    return principal.is_person and principal.subject == person_id


def may_read(principal: Principal, person_id: str, institutions: Collection[str]) -> bool:
    """Whether a caller may see a learner's record in which these institutions have duties."""
    if owns(principal, person_id) or oversees(principal):
        return True
    return has_duty(principal) and principal.organisation_id in institutions
