"""Learning agreements: three parties approve the same content, bound by its hash. Pure.

After the ECVET learning agreement (Recommendation 2009/C 155/02) and the approvals of Erasmus Without Paper, where
copies that drift apart are the known pain: here an approval names the hash of what was read.
"""

import hashlib
import json
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from enrolment.calls.domain import Day, Fact
from enrolment.learners.domain import Learner


class Role(StrEnum):
    """The three parties of an agreement."""

    LEARNER = "learner"
    HOME = "home"
    HOST = "host"


class AgreementState(StrEnum):
    """Whether all three approved the current version."""

    PROPOSED = "proposed"
    IN_FORCE = "in_force"


class AgreedUnit(Fact):
    """A unit and what the learner does for it."""

    unit_id: str
    activities: list[str]


class AgreedAssessment(Fact):
    """How outcomes are assessed and who answers for it."""

    method: str
    responsible: str


class AgreedRecognition(Fact):
    """How the home organisation recognises what was achieved."""

    method: str


class Terms(Fact):
    """What the parties agree on."""

    home_organisation_id: str
    host_organisation_id: str
    units: list[AgreedUnit]
    starts_on: Day
    ends_on: Day
    assessment: AgreedAssessment
    recognition: AgreedRecognition


class Approval(Fact):
    """One party approved exactly this content."""

    role: Role
    person_id: str
    organisation_id: str | None
    content_hash: str
    approved_at: datetime


class PastVersion(Fact):
    """A version that was replaced, with the approvals it had."""

    version: int
    terms: Terms
    content_hash: str
    approvals: list[Approval]


class Agreement(Fact):
    """A learning agreement of one learner with a home and a host organisation."""

    agreement_id: str
    enrolment_id: str
    person_id: str
    programme_id: str
    programme_version: int
    version: int
    terms: Terms
    content_hash: str
    approvals: list[Approval] = Field(default_factory=list)
    #: The last version that all three approved; it holds while a newer one waits for approvals.
    version_in_force: int | None = None
    in_force_since: datetime | None = None
    proposed_at: datetime
    history: list[PastVersion] = Field(default_factory=list)
    revision: int = 1

    @property
    def state(self) -> AgreementState:
        """Whether the current version is in force."""
        return AgreementState.IN_FORCE if self.version_in_force == self.version else AgreementState.PROPOSED

    @property
    def awaited(self) -> list[Role]:
        """Who has yet to approve the current version."""
        given = {approval.role for approval in self.approvals}
        return [role for role in Role if role not in given]

    def role_of(self, person_id: str, organisation_id: str | None) -> Role | None:
        """The party that a caller speaks for, or None for somebody else."""
        if person_id == self.person_id:
            return Role.LEARNER
        if organisation_id == self.terms.home_organisation_id:
            return Role.HOME
        if organisation_id == self.terms.host_organisation_id:
            return Role.HOST
        return None


def hash_content(agreement_id: str, version: int, learner: Learner, terms: Terms) -> str:
    """SHA-256 (hex) of the canonical content: sorted keys, no spaces, UTF-8.

    The content has only texts, whole numbers and lists, for which this is RFC 8785. The version is part of it, so
    that an approval of an earlier version never fits a later one of the same words.
    """
    content: dict[str, Any] = {
        "agreement_id": agreement_id,
        "version": version,
        "enrolment_id": learner.enrolment_id,
        "person_id": learner.person_id,
        "programme_id": learner.programme_id,
        "programme_version": learner.programme_version,
        "terms": terms.model_dump(mode="json"),
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def propose(agreement_id: str, learner: Learner, terms: Terms, now: datetime) -> Agreement:
    """The first version of an agreement."""
    return Agreement(
        agreement_id=agreement_id,
        enrolment_id=learner.enrolment_id,
        person_id=learner.person_id,
        programme_id=learner.programme_id,
        programme_version=learner.programme_version,
        version=1,
        terms=terms,
        content_hash=hash_content(agreement_id, 1, learner, terms),
        proposed_at=now,
    )


def amend(agreement: Agreement, learner: Learner, terms: Terms, now: datetime) -> Agreement:
    """The next version: nobody has approved it; the earlier one is kept with its approvals."""
    past = PastVersion(
        version=agreement.version,
        terms=agreement.terms,
        content_hash=agreement.content_hash,
        approvals=agreement.approvals,
    )
    version = agreement.version + 1
    return agreement.model_copy(
        update={
            "version": version,
            "terms": terms,
            "content_hash": hash_content(agreement.agreement_id, version, learner, terms),
            "approvals": [],
            "proposed_at": now,
            "history": [*agreement.history, past],
            "revision": agreement.revision + 1,
        }
    )


def approve(agreement: Agreement, approval: Approval) -> Agreement:
    """The agreement with one more approval; the third puts the version in force."""
    approved = agreement.model_copy(
        update={"approvals": [*agreement.approvals, approval], "revision": agreement.revision + 1}
    )
    if approved.awaited:
        return approved
    in_force = {"version_in_force": agreement.version, "in_force_since": approval.approved_at}
    return approved.model_copy(update=in_force)
