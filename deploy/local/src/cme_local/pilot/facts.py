"""The facts of the pilot year, read from `facts/*.yaml` and checked for shape."""

from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

from cme_local.pilot.clusters.spelling import slug

Languages = dict[str, str]


class Fact(BaseModel):
    """A fact of a known shape: a misspelt field is an error, not a field that nobody reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Partner(Fact):
    """An organisation that carries the programme."""

    key: str
    name: str
    country: str
    website: str


class Person(Fact):
    """Somebody who works for a partner."""

    key: str
    name: str
    language: str
    role: str
    organisation: str

    @property
    def given_name(self) -> str:
        """The first word."""
        return self.name.partition(" ")[0]

    @property
    def family_name(self) -> str:
        """The rest."""
        return self.name.partition(" ")[2]


class Applicant(Fact):
    """Somebody who applied, and the two readers' scores (motivation, experience, impact); none when not eligible."""

    key: str
    given_name: str
    family_name: str
    country: str
    language: str
    cluster: str
    management_fte: float
    members: int
    member_types: list[str]
    motivation: str
    scores: list[tuple[int, int, int]] = []

    @property
    def name(self) -> str:
        """Given and family name."""
        return f"{self.given_name} {self.family_name}"

    @property
    def email(self) -> str:
        """The address at the cluster."""
        return f"{slug(self.given_name)}.{slug(self.family_name)}@{self.domain}"

    @property
    def domain(self) -> str:
        """The cluster's invented domain."""
        return f"{slug(self.cluster)}.example"

    @property
    def total(self) -> int:
        """Points of both readers together."""
        return sum(sum(score) for score in self.scores)


class Outcome(Fact):
    """A learning outcome of a unit."""

    code: str
    kind: Literal["knowledge", "skills", "responsibility_autonomy"]
    area: str
    skills: list[str]
    statement: str


class Unit(Fact):
    """A unit of the programme: one module."""

    code: str
    module: int
    host: str
    points: int
    title: Languages
    assessment_method: Languages
    criteria: Languages
    outcomes: list[Outcome]


class Area(Fact):
    """A competence area of the occupational profile."""

    code: str
    title: Languages
    skills: list[str]


class Profile(Fact):
    """The occupational profile."""

    title: Languages
    description: Languages
    areas: list[Area]


class Programme(Fact):
    """The programme without its units."""

    slug: str
    language: str
    eqf_level: int
    points: int
    title: Languages
    summary: Languages


class Comment(Fact):
    """A reviewer's comment on an outcome; a blocking one has its resolution."""

    by: str
    outcome: str
    blocking: bool
    text: str
    resolution: str | None = None


class Vote(Fact):
    """A reviewer's vote."""

    by: str
    vote: Literal["approve", "reject"]
    statement: str


class Review(Fact):
    """The review round."""

    experts: list[str]
    reference_group: list[str]
    quorum: int
    comments: list[Comment]
    votes: list[Vote]


class Session(Fact):
    """A dated session of the offering."""

    unit: str
    mode: Literal["onsite", "online"]
    start: str
    end: str
    title: str
    place: str | None = None
    city: str | None = None


class Offering(Fact):
    """The run of the programme in 2020 and 2021."""

    code: str
    title: Languages
    starts_on: date
    ends_on: date
    seats: int
    application_deadline: str
    language: str
    sessions: list[Session]


class Curriculum(Fact):
    """The content of `programme.yaml`."""

    profile: Profile
    programme: Programme
    units: list[Unit]
    review: Review
    offering: Offering


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


class Facts(Fact):
    """Everything."""

    partners: list[Partner]
    lead: str
    staff: list[Person]
    applicants: list[Applicant]
    curriculum: Curriculum
    selection: Selection
    learning: Learning
    outreach: Outreach
    expected: Expected
    skills: dict[str, str]

    def unit(self, code: str) -> Unit:
        """The unit of that code."""
        return next(unit for unit in self.curriculum.units if unit.code == code)

    def ranked(self) -> list[Applicant]:
        """Who was scored, best first."""
        return sorted((a for a in self.applicants if a.scores), key=lambda a: -a.total)

    def selected(self) -> list[Applicant]:
        """Who gets an offer: the best, as far as their country has room."""
        maxima = {quota["country"]: quota["maximum"] for quota in self.selection.call.quotas}
        call = self.selection.call
        chosen: list[Applicant] = []
        for applicant in self.ranked():
            same = sum(1 for other in chosen if other.country == applicant.country)
            if len(chosen) < call.seats + call.over_offer and same < maxima.get(
                applicant.country, len(self.applicants)
            ):
                chosen.append(applicant)
        return chosen

    def starters(self) -> list[Applicant]:
        """Who accepts, in the order of acceptance."""
        absent = (self.selection.declined.applicant, self.selection.unanswered)
        return [applicant for applicant in self.selected() if applicant.key not in absent]


def _read(name: str) -> Any:
    return yaml.safe_load(files(__package__).joinpath("facts", name).read_text(encoding="utf-8"))


@cache
def read_facts() -> Facts:
    """All facts, read once."""
    return Facts.model_validate(
        {
            **_read("partners.yaml"),
            **_read("staff.yaml"),
            **_read("applicants.yaml"),
            "curriculum": _read("programme.yaml"),
            "selection": _read("selection.yaml"),
            "learning": _read("learning.yaml"),
            "outreach": _read("outreach.yaml"),
            "expected": _read("expected.yaml"),
            "skills": _read("esco-skills.yaml"),
        }
    )
