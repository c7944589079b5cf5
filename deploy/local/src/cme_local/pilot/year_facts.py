"""Shapes of the facts about what happened in the year: selection, learning, outreach, and what must come of it."""

from datetime import date
from typing import Any

from cme_local.pilot.programme_facts import Fact, Languages


class Call(Fact):
    """The call for applications."""

    title: Languages
    seats: int
    over_offer: int
    opens_at: str
    closes_at: str
    closed_at: str
    quotas: list[dict[str, Any]]


class Decision(Fact):
    """What somebody decided about an applicant, with the reason."""

    applicant: str
    reason: str


class Extension(Fact):
    """More seats than the call had."""

    seats: int
    reason: str


class Selection(Fact):
    """The content of `selection.yaml`."""

    call: Call
    readers: list[str]
    waiver: Decision
    ineligible: str
    declined: Decision
    unanswered: str
    extension: Extension
    answer_within_s: int


class Agreement(Fact):
    """What all learning agreements say, and the one that was changed."""

    starts_on: date
    ends_on: date
    activities: str
    method: str
    responsible: str
    recognition: str
    changed_for: str
    changed_activities: str


class Module(Fact):
    """Who assessed, validated and recognised a unit, and when."""

    unit: str
    assessor: str
    validator: str
    recogniser: str
    evidence: str
    assessed_on: date
    validated_on: date
    recognised_on: date


class Withdrawal(Fact):
    """A learner who left."""

    learner: str
    after: str
    withdrawn_on: date
    reason_code: str
    note: str


class NotAchieved(Fact):
    """A required outcome that a learner did not show."""

    learner: str
    unit: str
    outcome: str
    comment: str


class Appeal(Fact):
    """An appeal that changed a mark."""

    learner: str
    unit: str
    outcome: str
    comment: str
    grounds: str
    decided_by: str
    reason: str
    amended_level: int
    decided_on: date


class Reissue(Fact):
    """A badge that was revoked and issued again."""

    learner: str
    unit: str
    registered_address: str
    revocation: str
    reason: str


class Learning(Fact):
    """The content of `learning.yaml`."""

    agreement: Agreement
    modules: list[Module]
    usual_level: int
    not_achieved_level: int
    withdrawal: Withdrawal
    not_achieved: NotAchieved
    appeal: Appeal
    reissue: Reissue
    traced_learner: str


class DrawnDirectory(Fact):
    """Which directory is drawn."""

    seed: int
    organisations: int


class ConsentRound(Fact):
    """Whom the partners asked."""

    purpose: str
    text_version: str
    refused_every: int
    asked_on: str


class Campaign(Fact):
    """The campaign's texts."""

    name: str
    purpose: str
    subject: Languages
    body: Languages
    action: Languages


class Touchpoint(Fact):
    """A meeting with a learner's cluster."""

    cluster: str
    tier: str
    kind: str
    occurred_on: date
    evidence: dict[str, str]


class Label(Fact):
    """A cluster-management label."""

    cluster: str
    level: str
    awarded_on: date
    kind: str
    evidence_url: str


class Outreach(Fact):
    """The content of `outreach.yaml`."""

    directory: DrawnDirectory
    source: str
    obtained_from: str
    consent: ConsentRound
    suppression_reason: str
    campaign: Campaign
    interests: list[str]
    silent_every: int
    touchpoints: list[Touchpoint]
    labels: list[Label]


class CountryCount(Fact):
    """So many of a country."""

    country: str
    count: int


class Expected(Fact):
    """What the services must answer at the end."""

    applications: int
    offers: int
    offers_to: CountryCount
    started: int
    countries: list[str]
    withdrawn: int
    completed: int
    unit_badges: int
    programme_badges: int
    revoked: int
    reissued: int
    dead_letters: int
    clusters_contacted: int
    clusters_aware: int
