"""What the phases of the year share: the facts, who acts, and what the services said so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cme_local.console import StageProgress
from cme_local.pilot.actors import Actor
from cme_local.pilot.client import Client
from cme_local.pilot.facts import Facts
from cme_local.pilot.programme_facts import Applicant


@dataclass
class Published:
    """The published programme version."""

    programme_id: str
    version: int
    unit_ids: dict[str, str]
    outcome_ids: dict[str, str]


class Casting(Protocol):
    """Makes whoever is to act."""

    async def person(self, key: str, name: str, language: str, role: str, organisation_id: str | None) -> Actor:
        """A person, made now or at an earlier try."""


@dataclass
class Year:
    """One play of the pilot year."""

    #: Base URL of the API that it is played on.
    api: str
    #: Where the mail catcher, the broker's monitoring and the traces are, by these names.
    urls: Mapping[str, str]
    facts: Facts
    client: Client
    casting: Casting
    progress: StageProgress
    trace_id: str
    coordinator: Actor
    officer: Actor
    operator: Actor
    #: Partners by key, and applicants' clusters by the applicant's key.
    organisation_ids: dict[str, str] = field(default_factory=dict)
    staff: dict[str, Actor] = field(default_factory=dict)
    applicants: dict[str, Actor] = field(default_factory=dict)
    home_signatories: dict[str, Actor] = field(default_factory=dict)
    programme: Published | None = None
    call_id: str = ""
    cohort_id: str = ""
    application_ids: dict[str, str] = field(default_factory=dict)
    enrolment_ids: dict[str, str] = field(default_factory=dict)
    campaign_id: str = ""
    revoked_badge: str = ""

    def trace_of(self, applicant: Applicant) -> str | None:
        """The one trace of the traced learner's year; None for the others."""
        return self.trace_id if applicant.key == self.facts.learning.traced_learner else None

    @property
    def published(self) -> Published:
        """The programme, once it is published."""
        assert self.programme is not None
        return self.programme
